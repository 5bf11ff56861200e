/** `danelaw tlsa verify HOST`: what is published, against what is shown and what is about to be deployed. */
import type { Gathered } from '../tlsa/gather.js';
import type { Material } from '../tlsa/material.js';
import { distinctChains } from '../tlsa/served.js';
import { judgeServed } from '../tlsa/verification.js';
import { statusOf } from './check-verdict.js';
import { type ExitCode, worstOf } from './exit.js';
import { withResolver } from './open-resolver.js';
import { printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { type Io, paletteFor, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import type { VerifyOptions } from './tlsa.js';
import { candidateFindings, judgeCandidates } from './tlsa-candidates.js';
import { readMaterial } from './tlsa-files.js';
import { findingsOf } from './tlsa-findings.js';
import { gatherWith } from './tlsa-look.js';
import { type MeantServer, meantServer } from './tlsa-server.js';
import { describeVerification, type Verification, verificationJson } from './tlsa-verify-report.js';

export async function verify(text: string, options: VerifyOptions, io: Io): Promise<ExitCode> {
  const server = meantServer(text, options);
  const clock = clockFrom(options.at);
  const files = options.certificate ?? [];
  // Before anybody is asked: a file that can't be read is no reason to call a server.
  const material = files.length === 0 ? undefined : await readMaterial(files, options, io);
  const verification = await withResolver(options, clock, io, async (resolver) =>
    withProgress(io, `verifying ${server.host} ...`, async () =>
      verified(await gatherWith(resolver, server, options, io), server, material, clock()),
    ),
  );
  if (options.json === true) io.stdout.write(`${printableJson(verificationJson(verification))}\n`);
  else {
    const lines = describeVerification(verification, paletteFor(io.stdout, io.env), widthOf(io.stdout));
    io.stdout.write(`${lines.join('\n')}\n`);
  }
  return worstOf([SEVERITY[verification.status]]);
}

const SEVERITY = { fine: 'fine', unclear: 'temporary', refused: 'permanent' } as const;

function verified(
  gathered: Gathered,
  { host, port }: MeantServer,
  material: Material | undefined,
  now: number,
): Verification {
  const { baseDomain, name, authorities, lookup } = gathered;
  // What is not signed may not be used, whatever it says (RFC 7672 section 2.2).
  const records = lookup.status === 'secure' ? gathered.records : [];
  const publication = { records, baseDomain, host, now };
  const served = judgeServed(distinctChains(gathered.served), publication);
  const context = { publication, name, authorities, ttl: ttlOf(gathered) };
  const candidates = material === undefined ? [] : judgeCandidates(material, context);
  const findings = [
    ...findingsOf(gathered, publication, served, port),
    ...candidateFindings(candidates, context),
  ];
  return { host, port, gathered, served, candidates, findings, status: statusOf(findings), ttl: context.ttl };
}

/** The longest that an authoritative server gives: what a resolver has of it is the rest of that. */
function ttlOf({ authorities }: Gathered): number | null {
  if (authorities.status === 'failed') return null;
  const ttls = authorities.servers.flatMap(({ said }) =>
    said.status === 'answered' ? said.records.map(({ ttl }) => ttl) : [],
  );
  return ttls.length === 0 ? null : Math.max(...ttls);
}
