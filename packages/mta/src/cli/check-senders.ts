/**
 * What others than senders with DANE do with a domain's mail: those that follow MTA-STS, and those that take TLS
 * where it is offered and ask for no proof. Each is tried, as its level of policy says.
 */
import { type ProbeReport, parsePolicyTable, probe } from '@danelaw/smtp';
import type { CheckContext } from './check-domain.js';
import type { CheckStatus } from './check-verdict.js';

export interface SenderView {
  readonly sender: 'mta-sts' | 'opportunistic';
  readonly status: CheckStatus;
  readonly verdict: string;
}

/** For people: where all do the same, it is said once. */
export function distinctViews(views: readonly SenderView[]): readonly SenderView[] {
  return views.filter(
    ({ verdict }, index) => views.findIndex((other) => other.verdict === verdict) === index,
  );
}

/** Of whoever sends to it, nobody has the rules of our own policy table. */
const NO_RULES = parsePolicyTable([]);

/** @throws (rejects) only when the signal aborts */
export async function otherSenders(domain: string, context: CheckContext): Promise<readonly SenderView[]> {
  const { sts, ...without } = context;
  const other = { ...without, domain, policyTable: NO_RULES };
  const [withSts, opportunistic] = await Promise.all([
    sts === undefined ? undefined : probe({ ...other, sts, level: 'sts' }),
    probe({ ...other, level: 'may' }),
  ]);
  const views: SenderView[] = [];
  if (withSts !== undefined) views.push({ sender: 'mta-sts', ...stsView(withSts) });
  views.push({ sender: 'opportunistic', ...opportunisticView(opportunistic) });
  return views;
}

type View = Omit<SenderView, 'sender'>;

function stsView(report: ProbeReport): View {
  const { sts } = report;
  const common = withoutHosts(report);
  if (common !== undefined) return common;
  if (sts?.status !== 'policy') {
    const { status } = opportunisticView(report);
    return { status, verdict: 'Senders with MTA-STS find no policy, and deliver as those without.' };
  }
  const used = addressesOf(report);
  const fine = used.filter(({ ok }) => ok).length;
  if (sts.policy.mode === 'testing') {
    const { status } = opportunisticView(report);
    const failures = used.some(({ overlooked }) => overlooked.length > 0);
    const what = failures ? 'and report what is wrong' : 'and find nothing to report';
    return {
      status,
      verdict: `Senders with MTA-STS deliver whatever the policy (mode testing) says, ${what}.`,
    };
  }
  const passed = report.hosts.some(({ decision }) => decision.action === 'skip') || fine < used.length;
  if (fine === 0) {
    return {
      status: 'refused',
      verdict: 'Senders with MTA-STS use none of the servers: none is listed and has a valid certificate.',
    };
  }
  const verdict = passed
    ? 'Senders with MTA-STS deliver to servers that the policy lists and whose certificate is valid, and pass over others.'
    : 'Senders with MTA-STS deliver to servers that the policy lists and whose certificate is valid: to all of them.';
  return { status: passed ? 'refused' : 'fine', verdict };
}

function opportunisticView(report: ProbeReport): View {
  const common = withoutHosts(report);
  if (common !== undefined) return common;
  const used = addressesOf(report);
  const reached = used.filter(({ ok }) => ok);
  if (reached.length === 0) {
    return {
      status: 'unclear',
      verdict: 'Senders that ask for no proof could talk to none of the servers now.',
    };
  }
  const clear = reached.filter(({ tls }) => tls === null).length;
  const how =
    clear === 0
      ? 'under TLS, to whoever answers'
      : clear < reached.length
        ? 'under TLS or in clear text, as the server has it, to whoever answers'
        : 'in clear text';
  return { status: 'fine', verdict: `Senders that ask for no proof deliver ${how}.` };
}

function withoutHosts({ route }: ProbeReport): View | undefined {
  switch (route.status) {
    case 'hosts':
      return undefined;
    case 'failed':
      return {
        status: route.cause === 'bogus' ? 'refused' : 'unclear',
        verdict:
          'Senders whose resolver validates keep the mail back; others go where the answer that they get sends them.',
      };
    case 'null-mx':
    case 'no-such-domain':
    case 'no-usable-host':
    case 'loop':
    case 'invalid-domain':
      return { status: 'refused', verdict: 'Every sender returns mail to this domain as undeliverable.' };
    default: {
      const never: never = route;
      return never;
    }
  }
}

const addressesOf = ({ hosts }: ProbeReport) => hosts.flatMap(({ addresses }) => addresses);
