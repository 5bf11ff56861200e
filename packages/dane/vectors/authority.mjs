// Certificate authorities for the vectors: short words for who issued what, and how it deviates from a good one.
import { generateKeyPairSync } from 'node:crypto';
import { certificate, digest, general, extensions as x } from './der-writer.mjs';

export const NOW = new Date('2026-06-01T00:00:00Z');
export const day = (text) => new Date(`${text}T00:00:00Z`);
const FROM = day('2025-01-01');
const TO = day('2035-01-01');

export const key = (kind = 'P-256') => {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519');
  if (kind.startsWith('rsa')) return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(3)) });
  return generateKeyPairSync('ec', { namedCurve: kind });
};

const attributes = (subject) => (typeof subject === 'string' ? [['CN', subject]] : subject);

/** A party: its names, keys and certificate. `by` undefined means self-signed. */
const party = (subject, by, options, usual) => {
  const keys = options.keys ?? key(options.kind);
  const self = { subject: attributes(subject), keys };
  const issuer = by ?? self;
  const der = certificate({
    subject: self.subject,
    issuer: options.issuerName ? attributes(options.issuerName) : issuer.subject,
    publicKey: keys.publicKey,
    signer: options.signer ?? issuer.keys.privateKey,
    notBefore: options.from ?? FROM,
    notAfter: options.to ?? TO,
    extensions: options.extensions ?? [...usual, ...(options.more ?? [])],
    ...options.raw,
  });
  return { ...self, der, spki: keys.publicKey.export({ type: 'spki', format: 'der' }) };
};

/** A CA as it should be, but for what `options` say. */
export const ca = (subject, by, options = {}) =>
  party(subject, by, options, [x.ca(options.pathLength), x.keyUsage('keyCertSign', 'cRLSign')]);

/** A server's certificate as it should be, but for what `options` say. */
export const server = (by, options = {}) => {
  const names = options.names ?? ['mx.example.com'];
  return party(options.subject ?? [['O', 'Example']], by, options, [
    x.notCa(),
    x.keyUsage('digitalSignature'),
    x.extKeyUsage('serverAuth'),
    ...(names.length > 0
      ? [x.san(...names.map((name) => (typeof name === 'string' ? general.dns(name) : name)))]
      : []),
  ]);
};

const matchings = [(data) => data, (data) => digest('sha256', data), (data) => digest('sha512', data)];

/** A TLSA record for a party's certificate: `tlsa('2 0 1', root)`. */
export const tlsa = (parameters, of) => {
  const [, selector, matchingType] = parameters.split(' ').map(Number);
  const data = matchings[matchingType](selector === 0 ? of.der : of.spki);
  return `${parameters} ${data.toString('hex')}`;
};
