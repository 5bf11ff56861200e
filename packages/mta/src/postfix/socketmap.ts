/**
 * What is said on the policy server's socket. Postfix speaks the socketmap protocol (socketmap_table(5)): netstrings
 * `NAME KEY`, answered with `OK `, `NOTFOUND `, `TEMP ` or `PERM ` and text. On the same socket, as with postfix-tlspol:
 *
 *     QUERY KEY, danelaw KEY    the policy            QUERYwithTLSRPT KEY    with attributes for TLS reports
 *     JSON KEY                  the answer with its reason, one line
 *     DUMP, DUMP json, EXPORT   what is cached: with uses, as JSON, as a Postfix table
 *     PURGE                     forgets it
 *     GET /metrics              HTTP, for Prometheus
 *
 * All but the first row is for this machine only: it is refused to clients from elsewhere. Answers to control
 * commands are plain text, after which the connection is closed.
 */
import { metricsText } from './metrics.js';
import { type NetstringError, netstring } from './netstring.js';
import type { PolicyService } from './policy-service.js';
import type { Answer } from './tls-level.js';

/** What one request comes to. */
export interface Response {
  readonly octets: Uint8Array;
  /** Nothing more is read after it. */
  readonly close: boolean;
}

/** Octets of a reply's text; Postfix refuses more than 100,000. */
const MAX_REPLY_TEXT = 90_000;

export async function respond(request: string, service: PolicyService, local: boolean): Promise<Response> {
  const space = request.indexOf(' ');
  const name = space === -1 ? request : request.slice(0, space);
  const key = space === -1 ? '' : request.slice(space + 1);
  switch (name.toUpperCase()) {
    case 'DANELAW':
    case 'QUERY':
      return reply(await service.answer(key), false);
    case 'QUERYWITHTLSRPT':
      return reply(await service.answer(key), true);
    case 'JSON':
      return local ? text(`${JSON.stringify({ key, ...(await service.answer(key)) })}\n`) : notHere();
    case 'DUMP':
      return local ? text(key.toLowerCase() === 'json' ? dumpJson(service) : dump(service)) : notHere();
    case 'EXPORT':
      return local ? text(exported(service)) : notHere();
    case 'PURGE':
      if (!local) return notHere();
      service.purge();
      return text('OK\n');
    default:
      return { octets: netstring('PERM there is no such table or command'), close: true };
  }
}

/** What was read is no netstring: nothing more can be made of the connection. */
export function complain(error: NetstringError): Response {
  return { octets: netstring(`PERM ${error.message}`), close: true };
}

/** The answer to an HTTP request, whose head is `head`. */
export function respondHttp(head: string, service: PolicyService, local: boolean): Response {
  const [, method, path] = /^(GET|HEAD) (\S+) HTTP\/1\.[01]\r\n/u.exec(head) ?? [];
  const found = local && path === '/metrics';
  const body = found ? metricsText(service) : 'Not found\n';
  const lines = [
    found ? 'HTTP/1.1 200 OK' : 'HTTP/1.1 404 Not Found',
    `Content-Type: text/plain; ${found ? 'version=0.0.4; ' : ''}charset=utf-8`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return text(`${lines.join('\r\n')}\r\n\r\n${method === 'HEAD' ? '' : body}`);
}

function reply(answer: Answer, withReport: boolean): Response {
  return { octets: netstring(replyText(answer, withReport)), close: false };
}

function replyText(answer: Answer, withReport: boolean): string {
  switch (answer.status) {
    case 'policy': {
      const attributes = withReport && answer.report !== '' ? ` ${answer.report}` : '';
      const whole = `OK ${answer.policy}${attributes}`;
      if (whole.length <= MAX_REPLY_TEXT) return whole;
      // Postfix would take it for a broken server; half a policy would be another one.
      return 'TEMP the policy is too long for Postfix';
    }
    case 'none':
      return 'NOTFOUND ';
    case 'temporary':
      return `TEMP ${answer.reason.replace(/[^\x20-\x7e]/gu, '?').slice(0, 1000)}`;
    default: {
      const never: never = answer;
      return never;
    }
  }
}

const text = (words: string): Response => ({ octets: Buffer.from(words), close: true });
const notHere = (): Response => ({ octets: netstring('PERM only for clients on this machine'), close: true });

function dump(service: PolicyService): string {
  return service
    .entries()
    .map(({ key, uses, answer }) => `${key.padEnd(28)}  ${String(uses).padStart(6)}  ${policyOf(answer)}\n`)
    .join('');
}

function dumpJson(service: PolicyService): string {
  const entries = service.entries().map(({ key, uses, expires, answer }) => ({
    key,
    policy: answer.status === 'policy' ? answer.policy : null,
    reason: answer.reason,
    uses,
    expires: new Date(expires).toISOString(),
  }));
  return `${JSON.stringify({ entries })}\n`;
}

/** As `postmap` takes it. */
function exported(service: PolicyService): string {
  return service
    .entries()
    .flatMap(({ key, answer }) =>
      answer.status === 'policy' ? [`${key.replace(/:25$/u, '').padEnd(28)} ${answer.policy}\n`] : [],
    )
    .join('');
}

function policyOf(answer: Exclude<Answer, { status: 'temporary' }>): string {
  return answer.status === 'policy' ? answer.policy : '-';
}
