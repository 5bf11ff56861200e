/** The messages of the demonstration, and where its sender is at home. */
import type { Scenario } from '@danelaw/lab';

export const DEMO_SENDER = 'me@home.example';

/** Reports about what can't be delivered go there; it is no case of its own. */
export const HOME: Scenario = {
  domain: 'home.example',
  shows: 'Where the sender is at home.',
  rule: 'RFC 3464',
  zones: { 'home.example': { records: ['@ MX 10 mx'] } },
  hosts: { 'mx.home.example': { tlsa: ['3 1 1'] } },
  expected: {
    status: 'delivered',
    host: 'mx.home.example',
    mx: 'secure',
    tls: { by: '3 1 1', baseDomain: 'mx.home.example' },
  },
};

/**
 * With what is easily damaged on the way: lines that begin with dots, blanks at line ends, text beyond ASCII.
 */
export function demoMessage(recipient: string): Uint8Array {
  const lines = [
    'From: me@home.example',
    `To: ${recipient}`,
    'Subject: danelaw demo',
    'Date: Tue, 24 Nov 2026 12:00:00 +0000',
    `Message-ID: <demo.${recipient}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '.',
    '..two dots, and a blank at the end: ',
    'Grüße aus dem Danelag.',
    '',
  ];
  return Buffer.from(lines.join('\r\n'));
}
