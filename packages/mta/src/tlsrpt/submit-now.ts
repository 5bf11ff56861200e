/**
 * A report by mail, delivered at once and without a queue. What the Reporter can't deliver it tries again
 * itself.
 *
 * RFC 8460 section 5.3: "when sending failure reports via SMTP, Sending MTAs MUST NOT honor MTA-STS or DANE
 * TLSA failures". So TLS is opportunistic, nobody asks for TLSA records or policies, and of the local policy
 * table only the routes count: a relay is used where one is named.
 */
import { type ClientOptions, checkMessage, deliver, type PolicyTable } from '@danelaw/smtp';
import type { Sent } from './post.js';
import type { ReportMail } from './report-mail.js';

/** @returns what `submit` of the Reporter takes */
export function submitNow(client: Omit<ClientOptions, 'level' | 'sts' | 'signal'>) {
  const policyTable = routesOnly(client.policyTable ?? { rules: [] });
  return async ({ envelope, content }: ReportMail, signal: AbortSignal): Promise<Sent> => {
    const checked = checkMessage(content);
    if (checked.status !== 'ok') return { status: 'failed', permanent: true, words: checked.reason };
    const { message } = checked;
    const delivery = await deliver({ ...client, policyTable, level: 'may', envelope, message, signal });
    const [outcome] = delivery.recipients;
    if (outcome === undefined) return { status: 'failed', permanent: true, words: 'it has no recipient' };
    const words = `${outcome.recipient}: ${outcome.reason}`;
    switch (outcome.status) {
      case 'delivered':
        return { status: 'accepted', words };
      case 'deferred':
        return { status: 'failed', permanent: false, words };
      case 'failed':
        return { status: 'failed', permanent: true, words };
      default: {
        const never: never = outcome.status;
        return never;
      }
    }
  };
}

function routesOnly({ rules }: PolicyTable): PolicyTable {
  // A rule for mail hosts has no route, and its level does not count here.
  const routes = rules.filter(({ match }) => match.kind !== 'host' && match.kind !== 'hosts-below');
  return { rules: routes.map((rule) => ({ ...rule, level: 'may', minTls: undefined, audit: undefined })) };
}
