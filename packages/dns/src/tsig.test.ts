/**
 * Messages as nsupdate and named (BIND 9.18) and knotd (Knot 3.2) really sent them; and others put together
 * here, octet by octet, by what RFC 8945 says and not by the code under test.
 */
import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Name } from './name.js';
import { checkResponse, type SignedRequest, signRequest, TSIG_FUDGE } from './tsig.js';
import { parseTsigKey, TsigKey } from './tsig-key.js';

const octets = (hex: string): Buffer => Buffer.from(hex, 'hex');
const bindKey = parseTsigKey('hmac-sha256:update.key:wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=');
const knotKey = parseTsigKey(
  'hmac-sha512:knot.key:GKpxb8D6ASowlJHVOpN/ORRHzvNpsoxXgXUJbqD/dKINPCCKMxpGFqMGvNfQH+6beaQa2ukHknQfmuEnwOFzhQ==',
);
/** Zone example.org; adds a TLSA record of `ab` or `cd`. */
const nsupdate = {
  request:
    'e22f28000001000100010001076578616d706c65036f72670000060001035f3235045f746370026d78076578616d706c65036f726700000500fe000000000000' +
    `c01d003400010000000300230301${'01'}${'ab'.repeat(32)}` +
    '06757064617465036b65790000fa00ff00000000003d0b686d61632d7368613235360000006b077c17012c0020' +
    '58b013ba1349a8861a213af6083c7c569d30c68ae72b378a438b4c919b5fc986e22f00000000',
  done:
    'e22fa8000001000000000001076578616d706c65036f72670000060001' +
    '06757064617465036b65790000fa00ff00000000003d0b686d61632d7368613235360000006b077c17012c0020' +
    'cb60b428598c8575034bba97a5319287a773b05d0f3eda3aa3ce970731905b4de22f00000000',
  time: 0x6b077c17,
};
const UPDATE =
  `28000001000100010000076578616d706c65036f72670000060001035f3235045f746370026d78c00c000500fe000000000000` +
  `c01d0034000100000003002303010${'1'}${'cd'.repeat(32)}`;
const zone = (flags: string) => `${flags}0001000000000001076578616d706c65036f72670000060001`;
/** The TSIG record of an answer, without the MAC and what follows. */
const head = '06757064617465036b65790000fa00ff0000000000';
const sha256 = '0b686d61632d73686132353600';

const signedAt = (id: string, key: TsigKey, time: number): SignedRequest =>
  signRequest(octets(id + UPDATE), key, time);

describe('a request', () => {
  test('is signed as nsupdate signs it (RFC 8945 section 5.1)', () => {
    const request = octets(nsupdate.request);
    const unsigned = request.subarray(0, request.length - 83);
    unsigned[11] = 0;
    const signed = signRequest(Uint8Array.from(unsigned), bindKey, nsupdate.time);
    expect(Buffer.from(signed.octets).toString('hex')).toBe(nsupdate.request);
  });
});

describe('the answer of a name server', () => {
  const now = 0x6b077ea2;
  const ahead = now + 1000;
  test.each<[string, SignedRequest, string, number, object]>([
    [
      'that did it, by BIND',
      { octets: octets(nsupdate.request), key: bindKey, mac: octets(nsupdate.request.slice(-76, -12)) },
      nsupdate.done,
      nsupdate.time,
      { status: 'proved', rcode: 0 },
    ],
    [
      'whose clock is 1000 seconds behind, by BIND (section 5.2.3)',
      signedAt('156a', bindKey, ahead),
      `156a${zone('a809')}${head}43${sha256}00006b07828a012c0020` +
        '84e561e412831fe73c14474492160a39a2c396f91d313a179975162f65c6bba6156a0012000600006b077ea2',
      ahead,
      { status: 'clock', ahead: -1000, isRejected: true, isSigned: true },
    ],
    [
      'whose clock is 1000 seconds behind, by Knot',
      signedAt('670e', knotKey, ahead),
      `670e${zone('a809')}046b6e6f74036b65790000fa00ff0000000000630b686d61632d7368613531320000006b07828a012c0040` +
        'f83ac6be7282d695865f06b538272613432a20934591aa1b6adc68ae3b1beb10' +
        'f954902c21565f0d52e60dd7567eededd5860fa1ce6df75620706208533415cb670e0012000600006b077ea2',
      ahead,
      { status: 'clock', ahead: -1000, isRejected: true, isSigned: true },
    ],
    [
      'that has another secret (section 5.2.2)',
      signedAt('197c', bindKey, now),
      `197c${zone('a809')}${head}1d${sha256}00006b077ea2012c0000197c00100000`,
      now,
      { status: 'rejected', error: 'BADSIG', isSigned: false },
    ],
    [
      'that does not know the key (section 5.2.1)',
      signedAt('c2df', new TsigKey(Name.parse('nobody'), 'hmac-sha256', octets('01')), now),
      `c2df${zone('a809')}066e6f626f64790000fa00ff00000000001d${sha256}00006b077ea2012c0000c2df00110000`,
      now,
      { status: 'rejected', error: 'BADKEY', isSigned: false },
    ],
    [
      'that has not this zone, and does not sign it, by Knot',
      signedAt('042f', knotKey, now),
      `042f${zone('a809').replace('000001076', '000000076')}`,
      now,
      { status: 'unproved', rcode: 9, reason: 'it is not signed' },
    ],
  ])('%s', (_what, request, response, time, verdict) => {
    expect(checkResponse(octets(response), request, time)).toEqual(verdict);
  });
});

const NOW = 1_800_000_000;
const request = signedAt('1234', bindKey, NOW);

interface Making {
  readonly rcode?: number;
  readonly error?: number;
  readonly time?: number;
  readonly other?: string;
  /** Of the hash, in octets. */
  readonly macOctets?: number;
  readonly id?: string;
  readonly originalId?: string;
  readonly key?: string;
  readonly algorithm?: string;
  /** Put between the question and the TSIG, or behind it, and counted as given. */
  readonly before?: string;
  readonly behind?: string;
  readonly count?: number;
  readonly rrclass?: string;
  readonly withRequestMac?: boolean;
}

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');
const wire = (name: string): string =>
  `${name.split('.').reduce((text, label) => text + hex(label.length, 2) + Buffer.from(label).toString('hex'), '')}00`;

/** A response, by the words of section 4.3. */
function response(making: Making = {}): Buffer {
  const { rcode = 0, error = 0, time = NOW, other = '', id = '1234', originalId = '1234' } = making;
  const { key = 'update.key', algorithm = 'hmac-sha256', before = '', behind = '', count = 1 } = making;
  const question = '076578616d706c65036f72670000060001';
  const body = (counted: number) => `a80${hex(rcode, 1)}000100000000${hex(counted, 4)}${question}${before}`;
  const timers = `${hex(time, 12)}${hex(TSIG_FUDGE, 4)}`;
  const digested = [
    ...(making.withRequestMac === false ? [] : [`0020${Buffer.from(request.mac).toString('hex')}`]),
    ...[originalId, body(count - 1), wire(key), '00ff00000000', wire(algorithm), timers],
    ...[hex(error, 4), hex(other.length / 2, 4), other],
  ];
  const secret = Buffer.from('wf6RFTWUKcvx04aVWvOYaQUI1SgIEKjodidQNWVtyBI=', 'base64');
  const mac = createHmac('sha256', secret)
    .update(octets(digested.join('')))
    .digest();
  const shown = mac.subarray(0, making.macOctets ?? 32).toString('hex');
  const rdata =
    `${wire(algorithm)}${timers}${hex(shown.length / 2, 4)}${shown}` +
    `${originalId}${hex(error, 4)}${hex(other.length / 2, 4)}${other}`;
  const record = `${wire(key)}00fa${making.rrclass ?? '00ff'}00000000${hex(rdata.length / 2, 4)}${rdata}`;
  return octets(`${id}${body(count)}${record}${behind}`);
}

const A_RECORD = '00000100010000000100047f000001';

describe('a response', () => {
  test.each<[string, Making, object]>([
    ['is proved by the MAC', {}, { status: 'proved', rcode: 0 }],
    ['tells its response code', { rcode: 5 }, { status: 'proved', rcode: 5 }],
    ['may be for another id on its way (section 4.3.2)', { id: '4321' }, { status: 'proved', rcode: 0 }],
    ['may have records', { before: A_RECORD, count: 2 }, { status: 'proved', rcode: 0 }],
    [
      'proves nothing where the MAC was made without the request (section 5.3)',
      { withRequestMac: false },
      { status: 'unproved', rcode: 0, reason: 'its signature does not hold' },
    ],
    [
      'proves nothing where the MAC is cut short, however little (section 5.2.2.1)',
      { macOctets: 31 },
      { status: 'unproved', rcode: 0, reason: 'its signature does not hold' },
    ],
    [
      'proves nothing without a MAC, whatever it says (section 5.4)',
      { macOctets: 0 },
      { status: 'unproved', rcode: 0, reason: 'it is not signed' },
    ],
    [
      'proves nothing under another key (section 5.4.1)',
      { key: 'other.key' },
      { status: 'unproved', rcode: 0, reason: 'it is signed with another key' },
    ],
    [
      'proves nothing under another algorithm',
      { algorithm: 'hmac-sha1' },
      { status: 'unproved', rcode: 0, reason: 'it is signed by another algorithm' },
    ],
    [
      'is late where its time is out of range, and says by how much (section 5.4.3)',
      { time: NOW - 301 },
      { status: 'clock', ahead: -301, isRejected: false, isSigned: true },
    ],
    ['is in time at the edge', { time: NOW + 300 }, { status: 'proved', rcode: 0 }],
    [
      'may say that a MAC is too short for it (section 5.4.4)',
      { rcode: 9, error: 22 },
      { status: 'rejected', error: 'BADTRUNC', isSigned: true },
    ],
    [
      'may say that of the time, without proof',
      { rcode: 9, error: 18, other: hex(NOW + 777, 12), macOctets: 0 },
      { status: 'clock', ahead: 777, isRejected: true, isSigned: false },
    ],
    [
      'may not say so with another response code (section 5.4)',
      { rcode: 0, error: 16 },
      {
        status: 'unproved',
        rcode: 0,
        reason: 'it has the TSIG error 16 without the response code for one',
      },
    ],
    [
      'may have an error that we know nothing of',
      { rcode: 9, error: 21 },
      {
        status: 'unproved',
        rcode: 9,
        reason: 'the server refuses the signature with the TSIG error 21',
      },
    ],
  ])('%s', (_what, making, verdict) => {
    expect(checkResponse(response(making), request, NOW)).toEqual(verdict);
  });

  test('that is changed in any octet is proved no more', () => {
    const good = response({ rcode: 5 });
    for (let at = 0; at < good.length; at++) {
      // The id is the transport's; the original one stands in the record.
      if (at < 2) continue;
      const changed = Uint8Array.from(good);
      changed[at] = (changed[at] ?? 0) ^ 0x20;
      let status = 'no message';
      try {
        ({ status } = checkResponse(changed, request, NOW));
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'WireError') throw error;
      }
      // Letters of names count without case.
      if (status === 'proved') expect(String.fromCharCode((good[at] ?? 0) | 0x20)).toMatch(/[a-z]/u);
    }
  });

  test.each<[string, Making, string]>([
    ['its TSIG record is not the last (section 5.2)', { behind: A_RECORD, count: 2 }, 'not the last'],
    ['octets stand behind it', { behind: '00' }, 'behind the last record'],
    ['its TSIG record is not of class ANY (section 4.2)', { rrclass: '0001' }, 'class ANY'],
  ])('is no message where %s', (_what, making, words) => {
    expect(() => checkResponse(response(making), request, NOW)).toThrow(new RegExp(words, 'u'));
  });
});
