import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_NAME_OCTETS, Name } from './name.js';
import { Cursor, WireError } from './wire.js';

const label63 = 'a'.repeat(63);

/** Labels of any octets, together within the limit of a name. */
const names = fc
  .array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 12 })
  .filter((labels) => labels.reduce((sum, label) => sum + label.length + 1, 1) <= MAX_NAME_OCTETS)
  .map((labels) => Name.fromLabels(labels));

/** A few letters only, so that equal labels and prefixes happen. */
const similarNames = fc
  .array(
    fc.array(fc.constantFrom(0x00, 0x2a, 0x41, 0x61, 0x5a, 0x7a, 0xc1, 0xe1), { minLength: 1, maxLength: 3 }),
    { maxLength: 4 },
  )
  .map((labels) => Name.fromLabels(labels.map((label) => Uint8Array.from(label))));

describe('a printed name', () => {
  test.each([
    ['.', 0, '.'],
    ['example.com', 2, 'example.com'],
    ['example.com.', 2, 'example.com'],
    ['Mail.Example.COM', 3, 'Mail.Example.COM'],
    ['_25._tcp.mail.example.com', 5, '_25._tcp.mail.example.com'],
    ['*.example', 2, '*.example'],
    ['a\\.b.example', 2, 'a\\.b.example'],
    ['a\\046b.example', 2, 'a\\.b.example'],
    ['\\000\\255.example', 2, '\\000\\255.example'],
    ['back\\\\slash', 1, 'back\\\\slash'],
    ['trailing\\\\.', 1, 'trailing\\\\'],
    ['\\@\\$\\(\\)\\;\\"', 1, '\\@\\$\\(\\)\\;\\"'],
    ['a\\032b', 1, 'a\\032b'],
    [`${label63}.${label63}`, 2, `${label63}.${label63}`],
  ])('%s is read', (text, labels, printed) => {
    const name = Name.parse(text);
    expect(name.labelCount).toBe(labels);
    expect(name.toString()).toBe(printed);
    expect(name.toAbsolute()).toBe(printed === '.' ? '.' : `${printed}.`);
  });

  test.each([
    ['', /can't be empty/],
    ['..', /empty label/],
    ['.example', /empty label/],
    ['a..b', /empty label/],
    ['a.b..', /empty label/],
    ['a b', /character 32/],
    ['bücher.example', /A-label/],
    ['a\u0000', /character 0/],
    ['a\\', /bad escape/],
    ['a\\1', /bad escape/],
    ['a\\25', /bad escape/],
    ['a\\256', /not an octet/],
    ['a\\é', /bad escape/],
    [`${label63}a.example`, /label of 64 octets/],
    [`${label63}.${label63}.${label63}.${label63}`, /over 255 octets/],
    ['a.'.repeat(128), /over 255 octets/],
    ['x'.repeat(10_000_000), /over 255 octets/],
  ])('%s is refused', (text, message) => {
    expect(() => Name.parse(text)).toThrow(WireError);
    expect(() => Name.parse(text)).toThrow(message);
  });

  test('of exactly 255 octets is read, and one octet more is not (RFC 1035 section 2.3.4)', () => {
    const longest = `${label63}.${label63}.${label63}.${'b'.repeat(61)}`;
    expect(Name.parse(longest).wire).toHaveLength(255);
    expect(Name.parse(`${longest}.`).wire).toHaveLength(255);
    expect(() => Name.parse(`${longest}b`)).toThrow(/255/);
    const manyLabels = 'a.'.repeat(127);
    expect(Name.parse(manyLabels).labelCount).toBe(127);
    expect(Name.parse(manyLabels).wire).toHaveLength(255);
  });

  test('in an error message is cut short', () => {
    const message = (() => {
      try {
        Name.parse(`a..${'x'.repeat(100_000)}`);
        return '';
      } catch (error) {
        return String(error);
      }
    })();
    expect(message).toMatch(/empty label/);
    expect(message.length).toBeLessThan(200);
  });

  test('is read back as it was printed, whatever octets it has', () => {
    fc.assert(
      fc.property(names, (name) => {
        expect(Name.parse(name.toString()).wire).toEqual(name.wire);
        expect(Name.parse(name.toAbsolute()).wire).toEqual(name.wire);
      }),
    );
  });
});

describe('a name on the wire', () => {
  const octets = (...parts: (number | string)[]) =>
    Uint8Array.from(
      parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part].map((c) => c.charCodeAt(0)))),
    );

  test('is read without and with compression, and the cursor stands behind it (RFC 1035 section 4.1.4)', () => {
    // F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA and the root, as in the RFC's own example.
    const bytes = new Uint8Array(93);
    bytes.set(octets(1, 'F', 3, 'ISI', 4, 'ARPA', 0), 20);
    bytes.set(octets(3, 'FOO', 0xc0, 20), 40);
    bytes.set(octets(0xc0, 26), 64);
    for (const [at, end, text] of [
      [20, 32, 'F.ISI.ARPA'],
      [40, 46, 'FOO.F.ISI.ARPA'],
      [64, 66, 'ARPA'],
      [92, 93, '.'],
    ] as const) {
      const cursor = new Cursor(bytes, at);
      expect(Name.read(cursor).toString()).toBe(text);
      expect(cursor.offset).toBe(end);
    }
  });

  test.each([
    ['a pointer to itself', octets(0xc0, 0), 0, /does not point backwards/],
    ['a pointer forwards', octets(0xc0, 4, 0, 0, 1, 'a', 0), 0, /does not point backwards/],
    ['a pointer into its own label', octets(1, 'a', 0xc0, 0), 0, /does not point backwards/],
    ['two pointers that point at each other', octets(0xc0, 2, 0xc0, 0), 2, /does not point backwards/],
    ['a pointer that is cut off', octets(1, 'a', 0xc0), 0, /cut off/],
    ['a label that is cut off', octets(5, 'abc'), 0, /runs past its end/],
    ['no root label', octets(1, 'a'), 0, /runs past its end/],
    ['nothing at all', octets(), 0, /runs past its end/],
    ['a label type of RFC 2673', octets(0x41, 1, 0), 0, /label type 1/],
    ['the label type that nobody ever defined', octets(0x80, 0), 0, /label type 2/],
  ])('%s is refused', (_what, bytes, at, message) => {
    expect(() => Name.read(new Cursor(bytes, at))).toThrow(WireError);
    expect(() => Name.read(new Cursor(bytes, at))).toThrow(message);
  });

  test('of 255 octets is read, and one of 256 is not, also where pointers make it', () => {
    const long = (last: number) => octets(63, label63, 63, label63, 63, label63, last, 'b'.repeat(last), 0);
    expect(Name.read(new Cursor(long(61))).wire).toHaveLength(255);
    expect(() => Name.read(new Cursor(long(62)))).toThrow(/over 255/);
    const compressed = octets(63, label63, 63, label63, 63, label63, 0, 62, 'b'.repeat(62), 0xc0, 0);
    expect(() => Name.read(new Cursor(compressed, 193))).toThrow(/over 255/);
  });

  test('of many pointers is refused after a bounded number of them', () => {
    const bytes = new Uint8Array(2 + 2 * 1000);
    bytes.set([0xc0, 0]);
    for (let i = 1; i < 1000; i++) bytes.set([0xc0 | ((2 * i - 2) >> 8), (2 * i - 2) & 0xff], 2 * i);
    expect(() => Name.read(new Cursor(bytes, 2 * 999))).toThrow(/more than 126 compression pointers/);
  });

  test('does not reach past the end of its RDATA, except through a pointer', () => {
    const bytes = octets(1, 'a', 0, 1, 'b', 0xc0, 0, 1, 'c', 0);
    expect(Name.read(new Cursor(bytes, 3, 7)).toString()).toBe('b.a');
    expect(() => Name.read(new Cursor(bytes, 3, 6))).toThrow(/cut off/);
    expect(() => Name.read(new Cursor(bytes, 7, 9))).toThrow(/runs past its end/);
  });

  test('stays as it is when others are read after it', () => {
    const first = Name.read(new Cursor(octets(3, 'one', 0)));
    const { key } = first;
    const second = Name.read(new Cursor(octets(5, 'three', 0)));
    expect([first.toString(), second.toString(), first.key]).toEqual(['one', 'three', key]);
  });
});

describe('canonical form and order (RFC 4034 section 6)', () => {
  /** The list of section 6.1, in its order. */
  const ORDERED = [
    'example',
    'a.example',
    'yljkjljk.a.example',
    'Z.a.example',
    'zABC.a.EXAMPLE',
    'z.example',
    '\\001.z.example',
    '*.z.example',
    '\\200.z.example',
  ].map((text) => Name.parse(text));

  test('the names of section 6.1 sort into the order in which they stand there', () => {
    for (const [i, a] of ORDERED.entries()) {
      for (const [j, b] of ORDERED.entries()) expect(Math.sign(a.compare(b))).toBe(Math.sign(i - j));
    }
    expect([...ORDERED].reverse().sort((a, b) => a.compare(b))).toEqual(ORDERED);
  });

  test('only ASCII letters lose their case', () => {
    const name = Name.fromLabels([Uint8Array.of(0x41, 0x5a, 0x40, 0x5b, 0xc4, 0xe4)]);
    expect([...name.canonical()]).toEqual([6, 0x61, 0x7a, 0x40, 0x5b, 0xc4, 0xe4, 0]);
    expect(name.wire[1]).toBe(0x41);
  });

  test('equality, key and order agree, and the order is total', () => {
    fc.assert(
      fc.property(similarNames, similarNames, similarNames, (a, b, c) => {
        expect(a.equals(b)).toBe(a.compare(b) === 0);
        expect(a.equals(b)).toBe(a.key === b.key);
        expect(a.equals(b)).toBe(Buffer.compare(a.canonical(), b.canonical()) === 0);
        expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
        if (a.compare(b) <= 0 && b.compare(c) <= 0) expect(a.compare(c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('relations between names', () => {
  const name = (text: string) => Name.parse(text);

  test('ancestors, suffixes and common labels', () => {
    const host = name('a.b.Example.com');
    expect(host.isAtOrBelow(name('example.COM'))).toBe(true);
    expect(host.isAtOrBelow(host)).toBe(true);
    expect(host.isBelow(host)).toBe(false);
    expect(host.isBelow(Name.root)).toBe(true);
    expect(host.isAtOrBelow(name('ample.com'))).toBe(false);
    expect(name('com').isAtOrBelow(host)).toBe(false);
    expect(host.parent().toString()).toBe('b.Example.com');
    expect(Name.root.parent().isRoot).toBe(true);
    expect(host.suffix(1).toString()).toBe('com');
    expect(host.suffix(0)).toBe(Name.root);
    expect(host.commonLabels(name('x.B.example.com'))).toBe(3);
    expect(host.commonLabels(name('net'))).toBe(0);
  });

  test('a label that holds the letters of a shorter name is not that name', () => {
    // The octets of "3com" + root stand at the end of both, but in one of them inside a label.
    const tricky = Name.fromLabels([Uint8Array.of(0x61, 3, 0x63, 0x6f, 0x6d)]);
    expect(tricky.isAtOrBelow(name('com'))).toBe(false);
  });

  test('prepending, wildcards and DNAME substitution (RFC 6672 section 2.2)', () => {
    expect(name('example').prepend('_25').toString()).toBe('_25.example');
    expect(name('example').prepend(Uint8Array.of(0x2e)).toString()).toBe('\\..example');
    expect(name('example').wildcard().isWildcard).toBe(true);
    expect(name('\\*x.example').isWildcard).toBe(false);
    expect(name('a.b.old.example').replaceSuffix(name('old.example'), name('new.test')).toString()).toBe(
      'a.b.new.test',
    );
    expect(() => name('example').prepend('a.b')).toThrow(/not one label/);
    const long = name(`${label63}.${label63}.${label63}.old`);
    expect(() => long.replaceSuffix(name('old'), name(label63))).toThrow(/255 at most/);
  });

  test('every suffix is an ancestor, and what all names have in common is the root', () => {
    fc.assert(
      fc.property(names, (any) => {
        for (let count = 0; count <= any.labelCount; count++) {
          expect(any.suffix(count).labelCount).toBe(count);
          expect(any.isAtOrBelow(any.suffix(count))).toBe(true);
        }
        expect(any.commonLabels(any)).toBe(any.labelCount);
      }),
    );
  });
});
