/** Mail programs that nobody here wrote hand messages to the relay's listener: Postfix, and Python's smtplib. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashPassword } from '../packages/mta/src/listener/password.js';
import {
  CertificateOnDisk,
  type Running,
  SMTPS,
  startListener,
  WireClient,
} from '../packages/mta/test/listener-lab.js';
import { makeFolder, removeFolder } from './folder.js';
import { withNeighbours } from './neighbours.js';
import { run } from './run.js';
import { type SendingPostfix, startSendingPostfix } from './sending-postfix.js';

const SMTP = { protocol: 'smtp', host: '127.0.0.1', port: 0 } as const;

/** Logs in, sends a message with all that is hard to carry, and prints what it is told. */
const SMTPLIB = `
import smtplib, ssl, sys
port, implicit, user, password = int(sys.argv[1]), sys.argv[2] == 'smtps', sys.argv[3], sys.argv[4]
context = ssl._create_unverified_context()
if implicit:
    client = smtplib.SMTP_SSL('127.0.0.1', port, context=context)
else:
    client = smtplib.SMTP('127.0.0.1', port)
    client.starttls(context=context)
try:
    client.login(user, password)
    refused = client.sendmail('gr\\u00fcn@example.net', ['you@example.org', 'b\\u00fccher@example.org'],
        'Subject: x\\r\\n\\r\\n.\\r\\n..\\r\\n.end\\r\\n', mail_options=['SMTPUTF8', 'BODY=8BITMIME', 'RET=FULL'],
        rcpt_options=['NOTIFY=SUCCESS,FAILURE'])
    print('sent', refused, client.noop())
except smtplib.SMTPAuthenticationError as error:
    print('refused', error.smtp_code, error.smtp_error.decode())
client.quit()
`;

withNeighbours('mail programs in front of the relay', () => {
  const disk = new CertificateOnDisk();
  let folder: string;
  let running: Running;
  let postfix: SendingPostfix;

  beforeAll(async () => {
    running = await startListener({
      addresses: [SMTP, SMTPS],
      certificate: disk.files,
      users: new Map([['me@example.net', await hashPassword('pass word')]]),
      networks: [],
    });
    folder = await makeFolder('listener');
    postfix = await startSendingPostfix({
      folder,
      address: '127.0.0.1',
      resolver: '127.0.0.1',
      settings: [
        `relayhost = [127.0.0.1]:${running.port}`,
        'smtp_tls_security_level = encrypt',
        'smtp_sasl_auth_enable = yes',
        'smtp_sasl_security_options = noanonymous',
        `smtp_sasl_password_maps = inline:{{[127.0.0.1]:${running.port} = me@example.net:pass word}}`,
      ],
    });
  });

  afterAll(async () => {
    await postfix?.stop();
    await running?.end();
    disk.remove();
    if (folder !== undefined) await removeFolder(folder);
  });

  test('Postfix logs in under TLS, and a message arrives as it was given to Postfix', async () => {
    const client = await WireClient.open(postfix.port);
    await client.reply();
    await client.ask('EHLO client.example');
    await client.ask('MAIL FROM:<me@example.net> RET=HDRS ENVID=a+2Bb BODY=8BITMIME');
    await client.ask('RCPT TO:<you@example.org> NOTIFY=SUCCESS ORCPT=rfc822;you@example.org');
    await client.ask('RCPT TO:<she@example.com> NOTIFY=NEVER');
    await client.ask('DATA');
    const body = 'Subject: x\r\n\r\n..\r\n...\r\n.\xfc\r\n';
    expect(await client.ask(Buffer.from(`${body}.\r\n`, 'latin1'))).toMatch(/^250/);
    client.close();
    for (const recipient of ['you@example.org', 'she@example.com']) {
      const { status, line } = await postfix.fate(recipient);
      expect(line).toContain('250 2.0.0 Ok: queued as ID');
      expect(status).toBe('sent');
    }
    const submissions = running.acceptance.submissions.filter(({ envid }) => envid === 'a+b');
    expect(submissions.flatMap(({ recipients }) => recipients)).toEqual(
      expect.arrayContaining([
        { address: 'you@example.org', notify: ['success'], orcpt: 'rfc822;you@example.org' },
        { address: 'she@example.com', notify: 'never', orcpt: 'rfc822;she@example.com' },
      ]),
    );
    for (const { ret, origin, text } of submissions) {
      expect({ ret, protocol: origin.protocol, user: origin.user }).toEqual({
        ret: 'hdrs',
        protocol: 'ESMTPSA',
        user: 'me@example.net',
      });
      expect(text.endsWith('\r\n\r\n.\r\n..\r\n\xfc\r\n')).toBe(true);
    }
  });

  test.each([
    ['smtp', 0],
    ['smtps', 1],
  ])("Python's smtplib logs in and sends, %s", async (protocol, index) => {
    const port = String(running.addresses[index]?.port);
    const { stdout, stderr } = await run('python3', [
      '-c',
      SMTPLIB,
      port,
      protocol,
      'me@example.net',
      'pass word',
    ]);
    expect({ stdout, stderr }).toEqual({ stdout: "sent {} (250, b'2.0.0 Ok')\n", stderr: '' });
    expect(running.acceptance.submissions.at(-1)).toMatchObject({
      from: 'grün@example.net',
      recipients: [
        { address: 'you@example.org', notify: ['success', 'failure'] },
        { address: 'bücher@example.org', notify: ['success', 'failure'] },
      ],
      text: 'Subject: x\r\n\r\n.\r\n..\r\n.end\r\n',
      smtpUtf8: true,
      ret: 'full',
    });
  });

  test("Python's smtplib is told that its password is wrong", async () => {
    const { stdout } = await run('python3', [
      '-c',
      SMTPLIB,
      String(running.port),
      'smtp',
      'me@example.net',
      'x',
    ]);
    expect(stdout).toMatch(/^refused 535 5\.7\.8 /);
  });
});
