/** `danelaw tlsa rollover` from one key or issuer to the next, and on to the one after, in a zone that changes with it. */
import { createPrivateKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTlsa } from '@danelaw/dane';
import {
  type Certificate,
  issue,
  makeAuthority,
  makeCertificateKey,
  selfSigned,
  tlsaFor,
} from '@danelaw/lab';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOST, RolloverWorld } from './rollover-world.js';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const validity = { notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 30 * DAY) };
const root = makeAuthority({ name: 'Root', validity });
const issuer = makeAuthority({ name: 'Issuer', validity, parent: root });
const other = makeAuthority({ name: 'Other', validity });
const names = [HOST];
const current = issue(issuer, { names, validity });
const ee = (certificate: Pick<Certificate, 'der' | 'key'>) => formatTlsa(tlsaFor(certificate, 3, 1, 1));
const ta = (certificate: Certificate) => formatTlsa(tlsaFor(certificate, 2, 1, 1));
const bundle = ({ chain }: Certificate) => chain.map(({ pem }) => pem).join('');

let world: RolloverWorld;
beforeAll(async () => {
  world = await RolloverWorld.start();
});
beforeEach(async () => {
  await rm(world.state, { recursive: true, force: true });
  world.present(current);
  await world.publish([ee(current), ta(issuer)]);
});
afterAll(() => world?.close());

const decided = async (command: string, ...argv: string[]): Promise<string> => {
  const { out, err } = await world.run(command, '--json', ...argv);
  return out === '' ? err : JSON.parse(out).decision.action;
};
const published = async (command: string): Promise<string[]> =>
  JSON.parse((await world.run(command, '--json')).out).decision.records;

describe('key and issuer published (RFC 7671 section 8)', () => {
  it('changes the key under the same issuer, which has to be sent along', async () => {
    const next = issue(issuer, { names, validity });
    const file = await world.file('next.pem', bundle(next));
    expect(await decided('start', '--next', file)).toBe('publish');
    await world.publish([ee(current), ee(next), ta(issuer)]);
    expect(await decided('step')).toBe('wait');
    world.now += 2 * HOUR + 60_000;
    expect(await decided('step')).toBe('switch');
    // Renewed meanwhile, for another name; and then the one of the roll-over before, which says nothing.
    await world.file(
      'state/next.pem',
      bundle(issue(issuer, { names: ['other.example'], validity, key: next.key })),
    );
    expect(await decided('step')).toBe('stop');
    await world.file('state/next.pem', bundle(current));
    expect(await decided('step')).toBe('switch');
    // Without the issuer's certificate.
    world.present({ ...next, chain: [next] });
    expect((await world.run('step')).code).toBe(69);
    world.present(next);
    expect(await published('step')).toEqual([ee(current)]);
    await world.publish([ee(next), ta(issuer)]);
    expect(await decided('step')).toBe('done');
  });

  it('changes the issuer under the same key', async () => {
    const next = issue(other, { names, validity, key: current.key });
    const file = await world.file('next.pem', bundle(next));
    expect(await decided('start', '--next', file)).toBe('publish');
    expect(await published('step')).toEqual([ta(other)]);
    await world.publish([ee(current), ta(issuer), ta(other)]);
    expect(await decided('step')).toBe('wait');
    world.now += 2 * HOUR + 60_000;
    expect(await decided('step')).toBe('switch');
    world.present(next);
    expect(await published('step')).toEqual([ta(issuer)]);
    await world.publish([ee(current), ta(other)]);
    expect(await decided('step')).toBe('done');
  });

  it('lets the issuer carry the switch, and the record of the key follow', async () => {
    const next = issue(issuer, { names, validity });
    const file = await world.file('next.pem', bundle(next));
    expect(await decided('start', '--next', file, '--order', 'after')).toBe('wait');
    world.now += 2 * HOUR + 60_000;
    expect(await decided('step')).toBe('switch');
    world.present(next);
    expect(await published('step')).toEqual([ee(next)]);
    await world.publish([ee(current), ee(next), ta(issuer)]);
    expect(await published('step')).toEqual([ee(current)]);
  });

  it('waits for the certificate of a key that it made, and compares it', async () => {
    expect(await decided('start')).toBe('publish');
    const [record = ''] = await published('step');
    await world.publish([...world.records, record]);
    await world.run('step');
    world.now += 2 * HOUR + 60_000;
    const early = await world.run('step');
    expect([early.code, early.out.replace(/\s+/g, ' ')]).toEqual([75, expect.stringContaining('next.pem')]);
    const privateKey = createPrivateKey(await readFile(join(world.state, 'next.key')));
    const made = makeCertificateKey('p256');
    const spki = Buffer.from(await spkiOfNext());
    const next = issue(issuer, { names, validity, key: { ...made, privateKey, spki } });
    await world.file('state/next.pem', bundle(issue(issuer, { names, validity })));
    expect(await decided('step')).toBe('stop');
    await world.file('state/next.pem', next.pem);
    expect(await decided('step')).toBe('stop');
    await world.file('state/next.pem', bundle(next));
    expect(await decided('step')).toBe('switch');
  });

  it.each<[what: string, certificate: () => Certificate, said: RegExp]>([
    ['of another key from another issuer', () => issue(other, { names, validity }), /One change at a time/],
    [
      'for another name',
      () => issue(issuer, { names: ['mx.other.example'], validity }),
      /is for mx\.other\.example, not/,
    ],
    [
      'that has run out',
      () =>
        issue(issuer, {
          names,
          validity: { notBefore: validity.notBefore, notAfter: new Date(Date.now() - HOUR) },
        }),
      /expired|ran out|valid/,
    ],
    [
      'without its issuer beside it',
      () => {
        const next = issue(issuer, { names, validity });
        return { ...next, chain: [next] };
      },
      /give the whole chain/,
    ],
    ['that is in use already', () => current, /nothing to do/],
  ])('refuses a certificate %s, and writes nothing', async (_, certificate, said) => {
    const file = await world.file('next.pem', bundle(certificate()));
    const { code, out, err } = await world.run('start', '--next', file);
    expect([code, out]).toEqual([65, '']);
    expect(err).toMatch(said);
    expect((await readdir(world.state)).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });
});

const spkiOfNext = async (): Promise<Uint8Array> => {
  const { createPublicKey } = await import('node:crypto');
  const key = createPublicKey(await readFile(join(world.state, 'next.key')));
  return key.export({ format: 'der', type: 'spki' });
};

/** A certificate for the key that was made. */
async function certificateForNext(): Promise<Certificate> {
  const privateKey = createPrivateKey(await readFile(join(world.state, 'next.key')));
  const made = makeCertificateKey('p256');
  return selfSigned({ names, validity, key: { ...made, privateKey, spki: await spkiOfNext() } });
}

describe('a server with an RSA and an ECDSA certificate', () => {
  const rsa = issue(issuer, { names, validity, key: 'rsa2048' });
  beforeEach(async () => {
    world.present(current, rsa);
    await world.publish([ee(current), ee(rsa), ta(issuer)]);
  });
  const plan = async (...argv: string[]) => {
    const { code, out, err } = await world.run('start', '--dry-run', '--json', ...argv);
    const { old, next } = code === 0 ? JSON.parse(out) : { old: [], next: [] };
    return { old, next, err };
  };

  it('has the next key take the place of the one of its kind', async () => {
    expect((await plan()).old).toEqual([ee(current)]);
    expect((await plan('--key-type', 'rsa2048')).old).toEqual([ee(rsa)]);
    const next = issue(issuer, { names, validity, key: 'rsa2048' });
    const file = await world.file('next.pem', bundle(next));
    expect(await plan('--next', file)).toEqual({ old: [ee(rsa)], next: [ee(next)], err: '' });
    const strange = selfSigned({ names, validity, key: 'ed25519' });
    const refused = await plan('--next', await world.file('strange.pem', strange.pem));
    expect(refused.err).toContain('the server has several certificates (ecdsa and rsa)');
  });

  it('changes the issuer of both together: its record is that of both', async () => {
    const one = await world.file('one.pem', bundle(issue(other, { names, validity, key: current.key })));
    const two = await world.file('two.pem', bundle(issue(other, { names, validity, key: rsa.key })));
    expect((await plan('--next', one)).err).toContain('also that of another certificate');
    expect(await decided('start', '--next', one, '--next', two)).toBe('publish');
    await world.publish([ee(current), ee(rsa), ta(issuer), ta(other)]);
    expect(await decided('step')).toBe('wait');
    world.now += 2 * HOUR + 60_000;
    expect(await decided('step')).toBe('switch');
  });
});

describe('one roll-over after the other, in one folder', () => {
  beforeEach(() => world.publish([ee(current)]));

  it('is refused while the first is under way; then keeps its keys apart, and overwrites nothing', async () => {
    await world.run('start');
    const again = await world.run('start');
    expect([again.code, again.err]).toEqual([65, expect.stringContaining('already')]);
    const first = await certificateForNext();
    await world.publish([ee(first)]);
    world.present(first);
    expect(await decided('step')).toBe('done');
    const key = await readFile(join(world.state, 'next.key'), 'utf8');
    expect(await decided('start')).toBe('publish');
    expect(await readFile(join(world.state, 'current.key'), 'utf8')).toBe(key);
    expect(await readFile(join(world.state, 'next.key'), 'utf8')).not.toBe(key);
    expect((await readdir(join(world.state, 'keys'))).filter((name) => name.endsWith('.key'))).toHaveLength(
      2,
    );
    expect(await readdir(join(world.state, 'history'))).toHaveLength(1);
    expect(await readFile(join(world.state, 'next.csr'), 'utf8')).toContain('BEGIN CERTIFICATE REQUEST');
  });

  it('has a next key standing by: it waits to be asked, and then makes the one after it', async () => {
    await world.run('start', '--standby');
    const first = await certificateForNext();
    await world.publish([ee(current), ee(first)]);
    await world.run('step');
    world.now += 2 * HOUR + 60_000;
    expect(await decided('step')).toBe('ready');
    expect(await decided('switch', '--dry-run')).toBe('switch');
    expect(await decided('step')).toBe('ready');
    expect(await decided('switch')).toBe('switch');
    world.present(first);
    expect(await published('step')).toEqual([ee(current)]);
    await world.publish([ee(first)]);
    expect(await decided('status')).toBe('done');
    expect((await world.run('step', '--dry-run')).out).toContain('a key would be made (p256)');
    const [record] = await published('step');
    expect(record).toBe(ee(await certificateForNext()));
    expect(record).not.toBe(ee(first));
  });

  it('takes a key that lies there, and makes good links that were not made', async () => {
    const { privateKey } = makeCertificateKey('rsa2048');
    await mkdir(world.state, { mode: 0o700 });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    await world.file('state/next.key', pem);
    await world.run('start');
    expect(await readFile(join(world.state, 'next.key'), 'utf8')).toBe(pem);
    await rm(join(world.state, 'next.key'));
    await world.run('step');
    expect(await readlink(join(world.state, 'next.key'))).toMatch(/^keys\/[0-9a-f]{16}\.key$/);
  });
});

describe('what is wrong', () => {
  beforeEach(() => world.publish([ee(current)]));

  it('a key that was exchanged, or that others can read', async () => {
    await world.run('start');
    const file = join(
      world.state,
      'keys',
      (await readlink(join(world.state, 'next.key'))).slice('keys/'.length),
    );
    await chmod(file, 0o644);
    expect((await world.run('step')).err).toContain('everybody on this machine can read the next key');
    await world.file(
      'stranger',
      makeCertificateKey().privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    );
    await rm(file);
    await world.file(file.slice(world.folder.length + 1), await readFile(join(world.folder, 'stranger')));
    const { code, out } = await world.run('step');
    expect([code, out.replace(/\s+/g, ' ')]).toEqual([
      69,
      expect.stringContaining('somebody has exchanged it'),
    ]);
  });

  it('a name server that answers without signatures, or stays behind: nothing is switched', async () => {
    const next = selfSigned({ names, validity });
    const file = await world.file('next.pem', next.pem);
    await world.publish([ee(current), ee(next)]);
    await world.run('start', '--next', file);
    world.now += 2 * HOUR + 60_000;
    await world.publish([ee(current)], 1);
    expect(await decided('step')).toBe('publish');
    await world.publish([ee(current), ee(next)]);
    await world.publish([ee(current), ee(next)], 1, true);
    const { code, out } = await world.run('step');
    expect([code, out.replace(/\s+/g, ' ')]).toEqual([75, expect.stringContaining('without signatures')]);
    await world.publish([ee(current), ee(next)]);
    // It is waited for anew.
    expect(await decided('step')).toBe('wait');
  });

  it('a dry run of any command writes nothing and calls nothing', async () => {
    const plan = await world.run('start', '--dry-run', '--key-type', 'rsa2048');
    expect([plan.code, plan.out]).toEqual([0, expect.stringContaining('a key would be made (rsa2048)')]);
    expect(existsSync(world.state)).toBe(false);
    await world.run('start');
    const all = async () => {
      const state = await readFile(join(world.state, 'rollover.json'), 'utf8');
      return [state, ...(await readdir(world.state, { recursive: true })).sort()];
    };
    const before = await all();
    world.now += HOUR;
    const hook = '/nowhere/hook';
    expect((await world.run('step', '--dry-run', '--hook', hook)).code).toBe(0);
    expect((await world.run('status', '--dry-run')).code).toBe(0);
    expect((await world.run('switch', '--dry-run', '--hook', hook)).code).toBe(0);
    expect((await world.run('back', '--dry-run')).code).toBe(0);
    expect(await all()).toEqual(before);
  });
});
