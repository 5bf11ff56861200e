// Writes DER and certificates of every kind, right and wrong: the OpenSSL command line refuses to make most wrong ones.
import { constants, createHash, sign } from 'node:crypto';

export const tlv = (tag, ...parts) => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length = Buffer.from(
    content.length.toString(16).padStart(content.length > 0xffff ? 6 : content.length > 0xff ? 4 : 2, '0'),
    'hex',
  );
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content]);
};

export const sequence = (...parts) => tlv(0x30, ...parts);
export const set = (...parts) => tlv(0x31, ...parts);
export const octets = (content) => tlv(0x04, content);
export const boolean = (value) => tlv(0x01, [value ? 0xff : 0]);
export const nothing = Buffer.from([0x05, 0x00]);

export const integer = (value) => {
  let hex = BigInt(value).toString(16);
  if (hex.length % 2) hex = `0${hex}`;
  const bytes = Buffer.from(hex, 'hex');
  return tlv(0x02, bytes[0] & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
};

export const oid = (dotted) => {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, bytes);
};

export const bits = (content, unused = 0) => tlv(0x03, [unused], content);

/** `[['CN', 'x'], ['O', 'y', 0x13]]`: one RDN for each. */
export const name = (attributes) => {
  const types = { CN: '2.5.4.3', O: '2.5.4.10', C: '2.5.4.6', emailAddress: '1.2.840.113549.1.9.1' };
  return sequence(
    ...attributes.map(([type, value, tag = type === 'emailAddress' ? 0x16 : 0x0c]) =>
      set(sequence(oid(types[type]), tlv(tag, Buffer.from(value)))),
    ),
  );
};

export const time = (date) => {
  const text = date.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050
    ? tlv(0x17, Buffer.from(`${text.slice(2)}Z`))
    : tlv(0x18, Buffer.from(`${text}Z`));
};

export const general = {
  dns: (text) => tlv(0x82, Buffer.from(text, 'latin1')),
  email: (text) => tlv(0x81, Buffer.from(text)),
  uri: (text) => tlv(0x86, Buffer.from(text)),
  ip: (...bytes) => tlv(0x87, bytes),
  directory: (attributes) => tlv(0xa4, name(attributes)),
  otherName: (type, value) => tlv(0xa0, oid(type), tlv(0xa0, value)),
};

export const extension = (dotted, value, critical = false) =>
  sequence(oid(dotted), ...(critical ? [boolean(true)] : []), octets(value));

const usageBits = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4, keyCertSign: 5, cRLSign: 6 };
const purposes = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  any: '2.5.29.37.0',
  email: '1.3.6.1.5.5.7.3.4',
};
const subtrees = (tag, bases) => (bases ? [tlv(tag, ...bases.map((base) => sequence(base)))] : []);

export const extensions = {
  ca: (pathLength) =>
    extension(
      '2.5.29.19',
      sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])),
      true,
    ),
  notCa: () => extension('2.5.29.19', sequence(), true),
  keyUsage: (...names) => {
    const mask = names.reduce((sum, usage) => sum | (0x80 >> usageBits[usage]), 0);
    return extension('2.5.29.15', bits([mask], Math.clz32(mask & -mask) ^ 31), true);
  },
  extKeyUsage: (...names) => extension('2.5.29.37', sequence(...names.map((each) => oid(purposes[each])))),
  san: (...names) => extension('2.5.29.17', sequence(...names)),
  nameConstraints: ({ permitted, excluded }, critical = true) =>
    extension('2.5.29.30', sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)), critical),
  subjectKeyId: (id) => extension('2.5.29.14', octets(id)),
  authorityKeyId: (id) => extension('2.5.29.35', sequence(tlv(0x80, id))),
};

/** RFC 4055 section 3.1: RSASSA-PSS with all its parameters. */
function pss(hashOid, saltLength) {
  const hash = sequence(oid(hashOid), nothing);
  const mask = sequence(oid('1.2.840.113549.1.1.8'), hash);
  return sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(tlv(0xa0, hash), tlv(0xa1, mask), tlv(0xa2, integer(saltLength))),
  );
}

const signatureAlgorithms = {
  'rsa-sha256': ['sha256', sequence(oid('1.2.840.113549.1.1.11'), nothing)],
  'rsa-sha512': ['sha512', sequence(oid('1.2.840.113549.1.1.13'), nothing)],
  'rsa-sha1': ['sha1', sequence(oid('1.2.840.113549.1.1.5'), nothing)],
  'rsa-md5': ['md5', sequence(oid('1.2.840.113549.1.1.4'), nothing)],
  'ecdsa-sha256': ['sha256', sequence(oid('1.2.840.10045.4.3.2'))],
  'ecdsa-sha384': ['sha384', sequence(oid('1.2.840.10045.4.3.3'))],
  'ecdsa-sha1': ['sha1', sequence(oid('1.2.840.10045.4.1'))],
  'pss-sha256': ['sha256', pss('2.16.840.1.101.3.4.2.1', 32)],
  'pss-sha1': ['sha1', pss('1.3.14.3.2.26', 20)],
  ed25519: [null, sequence(oid('1.3.101.112'))],
};

const defaultAlgorithm = (key) =>
  ({ rsa: 'rsa-sha256', ec: 'ecdsa-sha256', ed25519: 'ed25519' })[key.asymmetricKeyType];

let serial = 1;

/**
 * @param options subject, issuer (attributes), publicKey, signer (private key), notBefore, notAfter, version, extensions,
 *   algorithm (a key of signatureAlgorithms), innerAlgorithm, breakSignature
 */
export const certificate = (options) => {
  const { subject, issuer, publicKey, signer, notBefore, notAfter, version = 3 } = options;
  const [hash, identifier] = signatureAlgorithms[options.algorithm ?? defaultAlgorithm(signer)];
  serial += 1;
  const tbs = sequence(
    ...(version === 1 ? [] : [tlv(0xa0, integer(version - 1))]),
    integer(serial),
    options.innerAlgorithm ? signatureAlgorithms[options.innerAlgorithm][1] : identifier,
    name(issuer),
    sequence(time(notBefore), time(notAfter)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(options.extensions?.length ? [tlv(0xa3, sequence(...options.extensions))] : []),
  );
  const padding = options.algorithm?.startsWith('pss')
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {};
  const signature = sign(hash, tbs, { key: signer, ...padding });
  if (options.breakSignature) signature[signature.length - 1] ^= 1;
  return sequence(tbs, identifier, bits(signature));
};

export const digest = (hash, bytes) => createHash(hash).update(bytes).digest();
