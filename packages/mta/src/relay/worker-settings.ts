/**
 * What a thread that delivers has to know: plain data, as it goes from thread to thread, made from the
 * configuration. The files that it names have been read.
 */
import { readFile } from 'node:fs/promises';
import { parseRootHints, parseTrustAnchors, type ResolverOptions, WireError } from '@danelaw/dns';
import type { Login, PolicyLevel, PolicyTable, Timeouts } from '@danelaw/smtp';
import { type Config, ConfigError } from '../config.js';

export interface WorkerSettings {
  /** The name that EHLO says. */
  readonly heloName: string;
  /** Names under which MX records may lead back to us. */
  readonly ownNames: readonly string[];
  readonly resolver: Pick<
    ResolverOptions,
    'upstream' | 'fallback' | 'trust' | 'trustAnchors' | 'rootHints' | 'port'
  >;
  readonly level: PolicyLevel;
  readonly policyTable: PolicyTable;
  readonly credentials: ReadonlyMap<string, Login>;
  /** PEM; the Web's where it is left out. */
  readonly webRoots: readonly string[] | undefined;
  /** Whether MTA-STS policies are asked for. */
  readonly sts: boolean;
  readonly smtpPort: number;
  readonly timeouts: Timeouts;
  /** Local addresses to connect from; the system chooses where they are left out. */
  readonly source: { readonly ipv4: string | undefined; readonly ipv6: string | undefined };
  /** Milliseconds that an idle connection is kept. */
  readonly idle: number;
  /** Messages on one connection. */
  readonly messagesPerConnection: number;
}

/** @throws (rejects) ConfigError where a file can't be read, or does not hold what it should */
export async function workerSettings({ relay, policyTable, credentials }: Config): Promise<WorkerSettings> {
  const { delivery, dns, sts } = relay;
  const { level, port: smtpPort, timeouts, source, idle, messagesPerConnection } = delivery;
  const anchors = await setting('dns.trust_anchor', dns.trustAnchor, (text) => {
    parseTrustAnchors(text);
    return text;
  });
  const hints = await setting('dns.root_hints', dns.rootHints, parseRootHints);
  const webRoots = await setting('sts.web_roots', sts.webRoots, certificatesIn);
  const { port } = dns;
  const upstream =
    typeof dns.resolver === 'string'
      ? dns.resolver
      : dns.resolver.map((each) =>
          port === undefined || each.includes('#') || each.startsWith('tls://') ? each : `${each}#${port}`,
        );
  return {
    heloName: relay.hostname,
    ownNames: [relay.hostname, ...relay.ownDomains],
    resolver: {
      upstream,
      trust: dns.trust,
      ...(dns.fallback.length === 0 ? {} : { fallback: dns.fallback }),
      ...(anchors === undefined ? {} : { trustAnchors: [anchors] }),
      ...(hints === undefined ? {} : { rootHints: hints }),
      ...(port === undefined ? {} : { port }),
    },
    level,
    policyTable,
    credentials,
    webRoots,
    sts: sts.enabled,
    smtpPort,
    timeouts,
    source,
    idle,
    messagesPerConnection,
  };
}

async function setting<T>(
  key: string,
  file: string | undefined,
  read: (text: string) => T,
): Promise<T | undefined> {
  if (file === undefined) return undefined;
  try {
    return read(await readFile(file, 'utf8'));
  } catch (error) {
    const isOurs = error instanceof WireError || error instanceof TypeError;
    const words = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${key}: ${isOurs ? '' : "can't read "}${file}: ${words}`);
  }
}

function certificatesIn(pem: string): string[] {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/gu) ?? [];
  if (certificates.length === 0) throw new TypeError('there is no PEM certificate in it');
  return certificates;
}
