/** All scenarios, by what they are about. Names are their own, so that one Internet can hold them all. */
import type { Scenario } from '../scenario.js';
import { ALIASES } from './aliases.js';
import { CERTIFICATE_NAMES } from './certificate-names.js';
import { CHAINS } from './chains.js';
import { LOCAL_POLICY } from './local-policy.js';
import { LOOKUP_FAILURES } from './lookup-failures.js';
import { MATCHING } from './matching.js';
import { NAMES } from './names.js';
import { NEXT_HOPS } from './next-hops.js';
import { STARTTLS } from './starttls.js';
import { ZONES } from './zones.js';

export const SCENARIOS: readonly Scenario[] = [
  ...MATCHING,
  ...CHAINS,
  ...CERTIFICATE_NAMES,
  ...STARTTLS,
  ...LOOKUP_FAILURES,
  ...ZONES,
  ...NAMES,
  ...ALIASES,
  ...NEXT_HOPS,
  ...LOCAL_POLICY,
];
