/** News of a watch to those who have to know: by HTTP, and by mail. */
import type { News } from './alert-book.js';
import type { Problem } from './problem.js';

export interface Channel {
  readonly name: string;
  /** @throws (rejects) where nobody took it; it is told again */
  tell(news: News, signal: AbortSignal): Promise<void>;
}

/** Milliseconds that somebody has to take the news. */
const PATIENCE = 30_000;

/** Posts the news as JSON: `{ "begun": [...], "over": [...] }`. Any answer of 2xx says that they were taken. */
export function webhook(url: URL): Channel {
  return {
    name: 'webhook',
    async tell(news, signal) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'danelaw-watch' },
        body: JSON.stringify({ begun: news.begun, over: news.over }),
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`${url.host} answered with HTTP status ${response.status}`);
    },
  };
}

export interface MailOptions {
  readonly host: string;
  readonly port: number;
  readonly from: string;
  readonly to: readonly string[];
}

/** One mail for all news, handed to a relay. */
export function mail({ host, port, from, to }: MailOptions): Channel {
  return {
    name: 'mail',
    async tell(news) {
      const { createTransport } = await import('nodemailer');
      const transport = createTransport({
        host,
        port,
        // A relay on this machine; its certificate is whatever it has.
        tls: { rejectUnauthorized: false },
        connectionTimeout: PATIENCE,
        greetingTimeout: PATIENCE,
        socketTimeout: PATIENCE,
      });
      try {
        await transport.sendMail({ from, to: [...to], subject: subjectOf(news), text: textOf(news) });
      } finally {
        transport.close();
      }
    },
  };
}

export function subjectOf({ begun, over }: News): string {
  const domains = [...new Set([...begun, ...over].map(({ domain }) => domain))];
  const shown = domains.length > 3 ? `${domains.slice(0, 3).join(', ')}, ...` : domains.join(', ');
  if (begun.length === 0) return `danelaw: over: ${shown}`;
  return `danelaw: ${begun.some(({ level }) => level === 'critical') ? 'CRITICAL' : 'warning'}: ${shown}`;
}

export function textOf({ begun, over }: News): string {
  const parts = [
    ...begun.map(
      (problem) => `${headOf(problem)}\n${problem.text} (${problem.rule}).\nWhat to do: ${problem.remedy}`,
    ),
    ...over.map((problem) => `Over: ${headOf(problem)}`),
  ];
  return `${parts.join('\n\n')}\n`;
}

function headOf({ domain, level, place, code }: Problem): string {
  return `${level.toUpperCase()}  ${domain}${place === '' ? '' : `  ${place}`}  (${code})`;
}
