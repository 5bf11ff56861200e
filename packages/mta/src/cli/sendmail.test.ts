import { hostname, userInfo } from 'node:os';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import { afterEach, describe, expect, it } from 'vitest';
import { main } from './main.js';

interface Received {
  readonly envelope: SMTPServerSession['envelope'];
  readonly text: string;
}

const servers: SMTPServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(resolve))));
});

/** A relay that takes everything, unless it is told otherwise. */
async function startRelay(options: SMTPServerOptions = {}): Promise<{ relay: string; received: Received[] }> {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    hideDSN: false,
    onData(stream, session, callback) {
      const envelope = structuredClone(session.envelope); // the server clears it for the next message
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        received.push({ envelope, text: Buffer.concat(parts).toString() });
        callback();
      });
    },
    ...options,
  });
  servers.push(server);
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { relay: `127.0.0.1:${address.port}`, received };
}

async function run(argv: readonly string[], input = ''): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main(['sendmail', ...argv], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: (async function* () {
      yield Buffer.from(input);
    })(),
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

const addresses = ({ envelope }: Received): string[] => envelope.rcptTo.map(({ address }) => address);
const senderOf = ({ envelope }: Received): string =>
  envelope.mailFrom === false ? '' : envelope.mailFrom.address;

const MESSAGE = 'To: a@x.example\nBcc: b@x.example\nSubject: hi\n\ntext\n.\nmore\n';

describe('danelaw sendmail', () => {
  it('hands a message over, to whom its header says, without Bcc', async () => {
    const { relay, received } = await startRelay();
    expect(await run(['--relay', relay, '-t', '-i', '-f', 'me@y.example'], MESSAGE)).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    const [message] = received;
    if (message === undefined) throw new Error('nothing came');
    expect([senderOf(message), addresses(message)]).toEqual(['me@y.example', ['a@x.example', 'b@x.example']]);
    expect(message.text).toBe('To: a@x.example\r\nSubject: hi\r\n\r\ntext\r\n.\r\nmore\r\n');
  });

  const here = hostname();
  it.each<[string, string[], string, string[]]>([
    ['options in one word', ['-ti', '-fme@y.example'], 'me@y.example', ['a@x.example', 'b@x.example']],
    [
      '-oi and others that mean nothing',
      ['-oi', '-oem', '-odb', '-G', '-B8BITMIME', '-f', 'me@y.example', 'c@x.example'],
      'me@y.example',
      ['c@x.example'],
    ],
    [
      '-r in place of -f',
      ['-i', '-r', 'me@y.example', 'c@x.example', 'd@x.example'],
      'me@y.example',
      ['c@x.example', 'd@x.example'],
    ],
    [
      '-t and further recipients',
      ['-i', '-t', '-f', 'me@y.example', 'c@x.example'],
      'me@y.example',
      ['c@x.example', 'a@x.example', 'b@x.example'],
    ],
    ['the null sender', ['-i', '-f', '<>', 'c@x.example'], '', ['c@x.example']],
    ['no sender: the user', ['-i', 'c@x.example'], `${userInfo().username}@${here}`, ['c@x.example']],
    [
      'names of this machine, and a list',
      ['-i', '-f', 'me@y.example', 'root,ops', 'root'],
      'me@y.example',
      [`root@${here}`, `ops@${here}`],
    ],
    [
      '-bm, -q with a time, -h, -V',
      ['-bm', '-q15m', '-h', '5', '-V', 'e1', '-i', '-f', 'me@y.example', 'c@x.example'],
      'me@y.example',
      ['c@x.example'],
    ],
  ])('takes %s', async (_, argv, from, to) => {
    const { relay, received } = await startRelay();
    expect(await run([...argv, '--relay', relay], MESSAGE)).toEqual({ code: 0, out: '', err: '' });
    expect(received.map(senderOf)).toEqual([from]);
    expect(received.map(addresses)).toEqual([to]);
  });

  it('ends the message at a dot where -i is not given', async () => {
    const { relay, received } = await startRelay();
    await run(['--relay', relay, 'c@x.example'], MESSAGE);
    expect(received[0]?.text).toMatch(/\r\ntext\r\n$/u);
  });

  it('asks for reports: -N, -R, -V (RFC 3461)', async () => {
    const { relay, received } = await startRelay();
    await run(
      ['--relay', relay, '-N', 'Success,failure', '-R', 'HDRS', '-V', 'order 17', 'c@x.example'],
      MESSAGE,
    );
    const envelope = received[0]?.envelope;
    expect(envelope).toMatchObject({
      dsn: { ret: 'HDRS', envid: 'order 17' },
      rcptTo: [{ dsn: { notify: ['SUCCESS', 'FAILURE'] } }],
    });
  });

  it.each<[string, string, string]>([
    ['ASCII', 'Ann "B"', 'From: "Ann \\"B\\"" <me@y.example>'],
    ['not ASCII', 'Jörg', 'From: =?utf-8?B?SsO2cmc=?= <me@y.example>'],
  ])('puts the full name (%s) into a From that is missing', async (_, name, expected) => {
    const { relay, received } = await startRelay();
    await run(['--relay', relay, '-F', name, '-f', 'me@y.example', 'c@x.example'], MESSAGE);
    expect(received[0]?.text.split('\r\n')[0]).toBe(expected);
  });

  it('says what the relay answered, with -v', async () => {
    const { relay } = await startRelay();
    expect((await run(['--relay', relay, '-v', 'c@x.example'], MESSAGE)).out).toMatch(/^250 /u);
  });

  const refusing = (responseCode: number): SMTPServerOptions => ({
    onRcptTo({ address }, _session, callback) {
      callback(
        address.startsWith('no') ? Object.assign(new Error('not this one'), { responseCode }) : undefined,
      );
    },
  });
  it.each<[string, number, string[], number, RegExp]>([
    ['for good', 550, ['no@x.example'], 69, /the relay refused the message: .*not this one/su],
    ['for now', 450, ['no@x.example'], 75, /not this one/u],
    [
      'for good, one of two',
      550,
      ['no@x.example', 'c@x.example'],
      69,
      /not accepted for no@x\.example: .*not this one.*has the message for the other/su,
    ],
    ['for now, one of two', 450, ['no@x.example', 'c@x.example'], 75, /not accepted for no@x\.example/u],
  ])('tells that a recipient was refused %s', async (_, responseCode, to, code, message) => {
    const { relay, received } = await startRelay(refusing(responseCode));
    const result = await run(['--relay', relay, ...to], MESSAGE);
    expect(result).toMatchObject({ code, out: '' });
    expect(result.err).toMatch(message);
    expect(received.map(addresses)).toEqual(to.length === 1 ? [] : [['c@x.example']]);
  });

  it.each<[string, number, number]>([
    ['no room', 452, 75],
    ['a message it will not have', 554, 69],
  ])('tells that the relay refused the message: %s', async (_, responseCode, code) => {
    const { relay } = await startRelay({
      onData(stream, _session, callback) {
        stream.resume();
        stream.on('end', () => callback(Object.assign(new Error('no'), { responseCode })));
      },
    });
    expect(await run(['--relay', relay, 'c@x.example'], MESSAGE)).toMatchObject({ code });
  });

  it('ends with 75 and says so where there is no relay', async () => {
    const { relay } = await startRelay();
    await new Promise<void>((resolve) => servers.splice(0)[0]?.close(resolve));
    const { code, err } = await run(['--relay', relay, 'c@x.example'], MESSAGE);
    expect({ code, err }).toEqual({
      code: 75,
      err: expect.stringMatching(/no relay at 127.*ECONNREFUSED.*try again/u),
    });
  });

  it('does nothing for "sendmail -q"', async () => {
    expect(await run(['-q'])).toEqual({ code: 0, out: '', err: '' });
  });

  it.each<[string, string[], number, RegExp]>([
    ['no recipients', [], 64, /use -t/u],
    ['-t and a header without recipients', ['-t'], 65, /names no recipient/u],
    [
      'a recipient that is no address',
      ['a..b@x.example'],
      65,
      /the recipient a\.\.b@x\.example: its local part/u,
    ],
    ['a sender that is no address', ['-f', 'a b@x', 'c@x.example'], 64, /the sender a b@x: /u],
    ['-bs', ['-bs'], 64, /-bs is not here; the relay/u],
    ['-bp', ['-bp'], 64, /danelaw queue list/u],
    ['-bi', ['-bi'], 64, /-bi is not here/u],
    ['a wrong -N', ['-N', 'never,delay', 'c@x.example'], 64, /-N never,delay: no such value/u],
    ['a wrong -R', ['-R', 'some', 'c@x.example'], 64, /-R some/u],
    ['a wrong relay', ['--relay', 'x', 'c@x.example'], 64, /write HOST:PORT/u],
    ['an unknown option', ['-Z'], 64, /unknown option '-Z'/u],
  ])('refuses %s', async (_, argv, code, message) => {
    const result = await run(argv, 'Subject: x\n\ny\n');
    expect(result.err).toMatch(message);
    expect(result).toMatchObject({ code, out: '' });
  });
});
