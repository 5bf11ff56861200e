/** `danelaw tlsa create HOST [FILE...]`: the records, on standard output; what to know of them, on standard error. */

import { X509Certificate } from 'node:crypto';
import { discover } from '@danelaw/dane';
import type { Advice } from '../tlsa/advice.js';
import { adviseOn, titleOf } from '../tlsa/advice.js';
import { assemble, type Material } from '../tlsa/material.js';
import {
  DEFAULT_TTL,
  genericLine,
  nsupdateScript,
  type RecordOwner,
  tlsaName,
  zoneLine,
} from '../tlsa/record-text.js';
import { type PlannedRecord, planRecords, RECOMMENDED } from '../tlsa/records.js';
import { askAddress, distinctChains, type NotShown } from '../tlsa/served.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { withResolver } from './open-resolver.js';
import { printable, printableJson } from './printable.js';
import { withProgress } from './progress.js';
import { hanging, type Io, widthOf } from './terminal.js';
import { clockFrom } from './time.js';
import type { CreateOptions } from './tlsa.js';
import { readMaterial, withinData } from './tlsa-files.js';
import { type MeantServer, meantServer } from './tlsa-server.js';

export async function create(
  host: string,
  files: readonly string[],
  options: CreateOptions,
  io: Io,
): Promise<ExitCode> {
  const server = meantServer(host, options);
  const clock = clockFrom(options.at);
  const live = files.length === 0;
  const material = live
    ? await servedMaterial(server, options, clock, io)
    : await readMaterial(files, options, io);
  const { record: wanted = [RECOMMENDED], depth } = options;
  const planned = withinData(() => planRecords(material, wanted, depth));
  const context = { host: server.host, port: server.port, now: clock(), live };
  const advice = [...(live ? [LIVE] : []), ...adviseOn(planned, context)];
  const { ttl } = options;
  const owner = { name: tlsaName(server.host, server.port), ...(ttl === undefined ? {} : { ttl }) };
  const format = options.json === true ? 'json' : (options.format ?? 'zone');
  io.stdout.write(textOf(format, owner, planned, advice));
  if (format !== 'json') for (const each of advice) explain(each, io);
  return EXIT.OK;
}

/** Trust on first use is what DANE exists to end. */
const LIVE: Advice = {
  severity: 'note',
  code: 'taken-from-network',
  text: 'the certificates are what answered at these addresses just now, and nothing proves that it was your server',
  rule: 'RFC 6698 section 8',
  remedy: 'Compare them with the files of the server, or give those files here.',
};

/** What the server shows, address by address. @throws CommandError 69, 75 */
async function servedMaterial(
  server: MeantServer,
  options: CreateOptions,
  clock: () => number,
  io: Io,
): Promise<Material> {
  const { host, port } = server;
  return await withResolver(options, clock, io, async (resolver) => {
    const found = await discover(resolver, { host, port, signal: io.signal });
    if (found.status !== 'reachable') {
      const code = found.status === 'absent' ? EXIT.UNAVAILABLE : EXIT.TEMPORARY;
      throw new CommandError(code, `${host} can't be asked: ${found.reason}`);
    }
    const served = [];
    for (const { address } of found.addresses) {
      const work = () => askAddress(address, { ...server, serverName: host }, io.signal);
      served.push(await withProgress(io, `asking ${host} [${address}] ...`, work));
    }
    const chains = distinctChains(served);
    const failures = served.flatMap(({ address, asked }) =>
      asked.some(({ status }) => status === 'shown')
        ? []
        : asked
            .filter((each): each is NotShown => each.status === 'failed')
            .map((each) => ({ address, ...each })),
    );
    const [failure] = failures;
    // A record for half of the addresses would break the other half.
    if (failure !== undefined) {
      const code =
        failure.fault === 'handshake' || failure.fault === 'starttls' ? EXIT.UNAVAILABLE : EXIT.TEMPORARY;
      throw new CommandError(
        code,
        `${host} [${failure.address}]: ${failure.reason}; nothing is printed by half`,
      );
    }
    return withinData(() =>
      mergedServers(
        chains.map(({ chain, seen }) => {
          const from = `${host} [${seen[0]?.address ?? ''}]`;
          return assemble(chain.map((der) => ({ item: { kind: 'certificate', der }, from })));
        }),
      ),
    );
  });
}

function mergedServers(materials: readonly Material[]): Material {
  // A chain's strangers may look like further servers; the first is the server's own.
  return { servers: materials.flatMap(({ servers }) => servers.slice(0, 1)), keys: [] };
}

function textOf(
  format: 'zone' | 'generic' | 'nsupdate' | 'json',
  owner: RecordOwner,
  planned: readonly PlannedRecord[],
  advice: readonly Advice[],
): string {
  const records = planned.map(({ record }) => record);
  switch (format) {
    case 'zone':
      return `${records.map((record) => zoneLine(owner, record)).join('\n')}\n`;
    case 'generic':
      return `${records.map((record) => genericLine(owner, record)).join('\n')}\n`;
    case 'nsupdate':
      return nsupdateScript(owner, records);
    case 'json':
      return `${printableJson(jsonOf(owner, planned, advice))}\n`;
    default: {
      const never: never = format;
      return never;
    }
  }
}

function jsonOf(
  owner: RecordOwner,
  planned: readonly PlannedRecord[],
  advice: readonly Advice[],
): Record<string, unknown> {
  return {
    name: owner.name,
    ttl: owner.ttl ?? null,
    records: planned.map(({ record, subject }) => ({
      usage: record.usage,
      selector: record.selector,
      matchingType: record.matchingType,
      data: Buffer.from(record.data).toString('hex'),
      zone: zoneLine(owner, record),
      generic: genericLine(owner, record),
      of: subjectJson(subject),
    })),
    nsupdate: nsupdateScript(
      { ttl: DEFAULT_TTL, ...owner },
      planned.map(({ record }) => record),
    ),
    advice,
  };
}

function subjectJson(subject: PlannedRecord['subject']): Record<string, unknown> {
  if (subject.kind === 'key') return { kind: subject.key.kind, from: subject.key.from };
  const x509 = new X509Certificate(subject.der);
  return {
    kind: 'certificate',
    from: subject.server.from,
    depth: subject.depth,
    subject: titleOf(x509),
    validTo: new Date(Date.parse(x509.validTo)).toISOString(),
  };
}

function explain({ severity, text, rule, remedy }: Advice, { stderr }: Io): void {
  const width = widthOf(stderr);
  const where = text.includes(rule) ? '' : ` (${rule})`;
  const lines = [
    ...hanging(`${severity.padEnd(9)}`, printable(`${text}${where}`), width),
    ...hanging('         ', printable(remedy), width),
  ];
  stderr.write(`${lines.join('\n')}\n`);
}
