/** Signatures of the relay, verified by dkimpy (Debian's python3-dkim), which shares no code with us. */
import { spawnSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { expect, it } from 'vitest';
import { createAcceptance } from '../packages/mta/src/acceptance/acceptance.js';
import { Dkim } from '../packages/mta/src/dkim/dkim.js';
import { usableKey } from '../packages/mta/src/dkim/dkim-rules.js';
import { type DkimKeyKind, keyRecordText, makeKeyFile } from '../packages/mta/src/dkim/key-record.js';
import type { NewMessage } from '../packages/mta/src/queue/queue.js';
import { withNeighbours } from './neighbours.js';

/** Prints `True` or `False` for each signature of the message on standard input. */
const VERIFY = `
import sys, json, dkim
records = json.loads(sys.argv[1])
message = sys.stdin.buffer.read()
def txt(name, timeout=5):
    record = records.get(name.decode().rstrip('.'))
    return record.encode() if record else None
for i in range(int(sys.argv[2])):
    print(dkim.DKIM(message).verify(idx=i, dnsfunc=txt))
`;

const MESSAGES: [string, string][] = [
  [
    'an ordinary message',
    'From: Ann <ann@a.example>\r\nSubject:  a  b\r\n\tc\r\nTo: b@b.example\r\n\r\ntext\r\n',
  ],
  ['a message without a body', 'From: ann@a.example\r\n'],
  ['blanks and empty lines in its body', 'From: ann@a.example\r\n\r\n a  b \t\r\n\r\nc \r\n\r\n\r\n'],
  ['a UTF-8 header and body', 'From: Jörg <ann@a.example>\r\nSubject: ü\u00a0ü\r\n\r\nüü\r\n'],
  ['several To fields', 'To: a@a.example\r\nFrom: ann@a.example\r\nTo: b@a.example\r\n\r\ntext\r\n'],
];

withNeighbours(
  'DKIM, verified by dkimpy',
  () => {
    it.each(MESSAGES)('%s holds, with RSA and with Ed25519', async (_, text) => {
      const kinds: DkimKeyKind[] = ['rsa2048', 'ed25519'];
      const records: Record<string, string> = {};
      const keys = [];
      for (const selector of kinds) {
        const key = createPrivateKey(await makeKeyFile(selector, { domain: 'a.example', selector }));
        const usable = usableKey(key);
        if ('refused' in usable) throw new Error(usable.refused);
        keys.push({ pattern: 'a.example', domain: 'a.example', selector, algorithm: usable.algorithm, key });
        records[`${selector}._domainkey.a.example`] = keyRecordText(key);
      }
      const kept: NewMessage[] = [];
      const acceptance = createAcceptance({
        queue: { add: async (message) => void kept.push(message) },
        hostname: 'relay.example.net',
        clock: Date.now,
        random: (octets) => new Uint8Array(octets),
        dkim: new Dkim(keys),
      });
      const recipients = [{ address: 'bob@b.example' }];
      const flags = { requireTls: false, smtpUtf8: false, complete: true };
      const octets = Buffer.from(text);
      const accepted = await acceptance.accept({
        origin: { kind: 'smtp' },
        from: 'ann@a.example',
        recipients,
        octets,
        ...flags,
      });
      expect(accepted).toMatchObject({ status: 'accepted' });
      const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', VERIFY, JSON.stringify(records), '2'], {
        input: kept[0]?.body ?? '',
        encoding: 'utf8',
      });
      expect({ stdout, stderr }).toEqual({ stdout: 'True\nTrue\n', stderr: '' });
    });
  },
  { python: '/usr/bin/python3', dkimverify: '/usr/bin/dkimverify' },
);
