/** All scenarios, by what they are about. Names are their own, so that one Internet can hold them all. */
import type { Scenario } from '../scenario.js';
import { LOOKUP_FAILURES } from './lookup-failures.js';
import { MATCHING } from './matching.js';
import { NAMES } from './names.js';
import { STARTTLS } from './starttls.js';
import { ZONES } from './zones.js';

export const SCENARIOS: readonly Scenario[] = [
  ...MATCHING,
  ...STARTTLS,
  ...LOOKUP_FAILURES,
  ...ZONES,
  ...NAMES,
];
