import { describe, expect, test } from 'vitest';
import { ENVELOPE, MESSAGE, RawClient, start, talk } from '../test/raw-mail-client.js';
import type { MailHabits, StageHabit } from './mail-habits.js';

describe('what is said instead of the usual', () => {
  const rows: [string, MailHabits, string[], string][] = [
    ['a greeting of 421, then closed', { on: { greeting: '421 4.3.2 Later' } }, ['EHLO c'], 'closed'],
    [
      'a greeting of 554',
      { on: { greeting: '554 5.7.1 No mail from you' } },
      ['EHLO c'],
      '503 5.5.1 No service here, say QUIT',
    ],
    [
      'a greeting of several lines',
      { on: { greeting: { code: 220, lines: ['one', 'two'] } } },
      [],
      '220-one|220 two',
    ],
    ['EHLO not known', { on: { ehlo: '502 5.5.1 What?' } }, ['EHLO c'], '502 5.5.1 What?'],
    ['MAIL deferred', { on: { mail: '451 4.3.0 Later' } }, ENVELOPE.slice(0, 2), '451 4.3.0 Later'],
    [
      'MAIL deferred has no effect',
      { on: { mail: '451 4.3.0 Later' } },
      ENVELOPE.slice(0, 3),
      '503 5.5.1 MAIL first',
    ],
    ['RCPT deferred', { on: { rcpt: '450 4.2.1 Busy' } }, ENVELOPE.slice(0, 3), '450 4.2.1 Busy'],
    [
      'RCPT refused has no effect',
      { on: { rcpt: '550 5.1.1 Who?' } },
      ENVELOPE,
      '554 5.5.1 No valid recipients',
    ],
    [
      'one recipient refused',
      { recipients: { 'B@good.example': '550 5.1.1 Who?' } },
      ENVELOPE.slice(0, 3),
      '550 5.1.1 Who?',
    ],
    [
      'another recipient taken',
      { recipients: { 'x@good.example': '550 5.1.1 Who?' } },
      ENVELOPE,
      '354 End with a lone dot',
    ],
    ['DATA deferred', { on: { data: '451 4.3.0 Later' } }, ENVELOPE, '451 4.3.0 Later'],
    [
      '421 in the middle, then closed',
      { on: { mail: '421 4.3.2 Going down' } },
      ENVELOPE.slice(0, 3),
      'closed',
    ],
    [
      'a reply, then closed',
      { on: { quit: { thenDrop: '250 2.0.0 Not 221' } } },
      ['QUIT'],
      '250 2.0.0 Not 221',
    ],
    ['closed without a reply', { on: { rcpt: 'drop' } }, ENVELOPE.slice(0, 3), 'closed'],
    ['reset without a reply', { on: { rcpt: 'reset' } }, ENVELOPE.slice(0, 3), 'closed'],
    [
      'octets just as given',
      { on: { ehlo: { verbatim: '250 a\r\n250 b\r\n' } } },
      ['EHLO c', 'NOOP'],
      '250 b',
    ],
    [
      'one octet after the other',
      { on: { ehlo: { slowly: '250 slow', everyMs: 1 } } },
      ['EHLO c'],
      '250 slow',
    ],
    [
      'first this, then that',
      { on: { mail: { inTurn: ['451 4.7.1 Greylisted', 'usual'] } } },
      ['EHLO c', 'MAIL FROM:<>', 'MAIL FROM:<>'],
      '250 2.1.0 Sender taken',
    ],
    [
      'STARTTLS stripped',
      { starttls: 'stripped' },
      ['EHLO c'],
      '250-mx.good.example|250-PIPELINING|250-SIZE 52428800|250-8BITMIME|250-SMTPUTF8|250 ENHANCEDSTATUSCODES',
    ],
    [
      'STARTTLS stripped, and not known',
      { starttls: 'stripped' },
      ['EHLO c', 'STARTTLS'],
      '502 5.5.1 Command not known',
    ],
    [
      'STARTTLS deferred',
      { on: { starttls: '454 4.7.0 TLS not available' } },
      ['EHLO c', 'STARTTLS'],
      '454 4.7.0 TLS not available',
    ],
    ['STARTTLS refused', { on: { starttls: '554 5.7.0 No' } }, ['EHLO c', 'STARTTLS'], '554 5.7.0 No'],
    [
      'other capabilities',
      { capabilities: ['HELP'] },
      ['EHLO c'],
      '250-mx.good.example|250-HELP|250 STARTTLS',
    ],
  ];
  test.each(rows)('%s', async (_name, habits, lines, last) => {
    const { replies } = await talk(habits, ...lines);
    expect(replies.at(-1)).toBe(last);
  });

  test('after a greeting of 554 QUIT is answered', async () => {
    const { replies } = await talk({ on: { greeting: '554 5.7.1 No' } }, 'QUIT');
    expect(replies[1]).toBe('221 2.0.0 mx.good.example closing');
  });

  test('turns are counted over all connections', async () => {
    const server = await start({ habits: { on: { greeting: { inTurn: ['421 4.3.2 Later', 'usual'] } } } });
    const codes: string[] = [];
    for (const _ of [1, 2, 3]) codes.push((await (await RawClient.to(server)).reply()).slice(0, 3));
    expect(codes).toEqual(['421', '220', '220']);
  });

  test.each<[string, StageHabit, boolean, string]>([
    ['taken', 'usual', true, '250 2.0.0 Message taken'],
    ['deferred at the final dot', '451 4.3.0 Later', false, '451 4.3.0 Later'],
    ['refused at the final dot', '554 5.6.0 Spam', false, '554 5.6.0 Spam'],
    ['dropped after the final dot', 'drop', false, 'closed'],
    ['reset after the final dot', 'reset', false, 'closed'],
  ])('a message %s is in the record', async (_name, content, accepted, reply) => {
    const { server, client } = await talk({ on: { content } }, ...ENVELOPE);
    client.send(MESSAGE);
    expect(await client.reply()).toBe(reply);
    expect(server.received.messages.map((message) => message.accepted)).toEqual([accepted]);
  });

  test.each(['endless', 'endless-line'] as const)(
    'an %s reply goes on until the client goes',
    async (habit) => {
      const { server, client } = await talk({ on: { ehlo: habit } });
      client.send('EHLO c\r\n');
      const received = await client.until((octets) => octets.length > 1_000_000);
      expect(received).toMatch(habit === 'endless' ? /^(250-and so on\r\n)+/ : /^250 (and so on )+/);
      client.socket.destroy();
      await server.whenIdle();
    },
  );

  test('garbage', async () => {
    const { client } = await talk({ on: { ehlo: 'garbage' } });
    client.send('EHLO c\r\n');
    expect(await client.until((octets) => octets.includes('no SMTP'))).toContain('\x16\x00\xff\xfe');
  });

  test('a reset is a reset, also inside TLS', async () => {
    const server = await start({ habits: { on: { mail: 'reset' } } });
    const clear = await RawClient.to(server);
    await clear.dialogue();
    const client = await clear.starttls();
    await client.command('EHLO c');
    expect(await client.command('MAIL FROM:<>')).toBe('closed');
    await client.closed();
    expect(clear.wasReset || client.wasReset).toBe(true);
    await server.whenIdle();
    expect(server.received.connections[0]?.ended).toBe('server');
  });

  test.each<[string, MailHabits, string[]]>([
    ['greeting', { on: { greeting: 'silence' } }, []],
    ['ehlo', { on: { ehlo: 'silence' } }, ['EHLO c']],
    ['starttls', { on: { starttls: 'silence' } }, ['EHLO c', 'STARTTLS']],
    ['rcpt', { on: { rcpt: 'silence' } }, ENVELOPE.slice(0, 3)],
    ['data', { on: { data: 'silence' } }, ENVELOPE],
    ['content', { on: { content: 'silence' } }, [...ENVELOPE, 'a message\r\n.']],
    ['quit', { on: { quit: 'silence' } }, ['QUIT']],
  ])('silence at %s lasts until the client goes', async (_stage, habits, lines) => {
    const server = await start({ habits });
    const client = await RawClient.to(server);
    if (lines.length > 0) await client.dialogue(...lines.slice(0, -1));
    // The client's FIN comes behind the command, so by then the server has had its chance to say something.
    client.socket.end(
      lines
        .slice(-1)
        .map((line) => `${line}\r\n`)
        .join(''),
    );
    await client.closed();
    await server.whenIdle();
    expect(client.received).toBe('');
    expect(server.received.connections[0]?.commands).toHaveLength(
      lines.filter((line) => !line.startsWith('a message')).length,
    );
    expect(server.received.connections[0]?.ended).toBe('client');
  });
});
