// What each vector shows. `expect` is decided here, by hand and from the RFCs; OpenSSL's verdict is put beside it, and where
// the two differ the vector must say why (`differs`).
import { ca, day, key, server, tlsa } from './authority.mjs';
import { boolean, extension, general, octets, sequence, tlv, extensions as x } from './der-writer.mjs';

const root = ca('Example Root');
const intermediate = ca('Example Issuing CA', root);
const leaf = server(intermediate);
const chain = [leaf, intermediate, root];
const other = server(ca('Other Root'), { subject: 'other.example.net', names: ['other.example.net'] });

const yes = 'authenticated';
const no = 'refused';
const unusable = 'unusable';
const zeros = (octetCount) => '00'.repeat(octetCount);

// OpenSSL builds one path, from the first issuer that fits by name, and does not come back to try another.
const noAlternatives =
  'OpenSSL takes the first certificate that fits by name as issuer and tries no other. RFC 7671 section 5.2 asks the server to include the TA certificate, which it did, and RFC 5280 section 6.1 asks for a valid path, which there is.';

const cases = [];
const add = (name, expect, fields) => cases.push({ name, expect, ...fields });

// --- every combination of parameters -------------------------------------------------------------------------
for (const selector of [0, 1]) {
  for (const matchingType of [0, 1, 2]) {
    const ee = `3 ${selector} ${matchingType}`;
    const ta = `2 ${selector} ${matchingType}`;
    add(`${ee} of the server's certificate matches`, yes, {
      chain,
      tlsa: [tlsa(ee, leaf)],
      matched: { usage: 3, depth: 0 },
    });
    add(`${ee} of another certificate does not match`, no, {
      chain,
      tlsa: [tlsa(ee, other)],
      reason: 'is another one',
    });
    add(`${ee} of the issuing CA does not match: DANE-EE is about the server's certificate only`, no, {
      chain,
      tlsa: [tlsa(ee, intermediate)],
    });
    add(`${ta} of the root matches`, yes, {
      chain,
      tlsa: [tlsa(ta, root)],
      matched: { usage: 2, depth: 2, referenceName: 'mx.example.com' },
    });
    add(`${ta} of the issuing CA matches`, yes, {
      chain,
      tlsa: [tlsa(ta, intermediate)],
      matched: { usage: 2, depth: 1 },
    });
    add(`${ta} of a CA that has nothing to do with it does not match`, no, {
      chain,
      tlsa: [tlsa(ta, other)],
    });
  }
}
for (const usage of [0, 1]) {
  add(`usage ${usage} of the right certificate is unusable for SMTP`, unusable, {
    chain,
    tlsa: [tlsa(`${usage} 0 1`, usage === 0 ? root : leaf)],
    reason: '3.1.3',
  });
}
add('an unknown usage is unusable', unusable, {
  chain,
  tlsa: [tlsa('4 1 1', leaf)],
  reason: 'usage 4 is not known',
});
add('usage 255 (PrivCert) is unusable', unusable, { chain, tlsa: [tlsa('255 1 1', leaf)] });
add('an unknown selector is unusable', unusable, {
  chain,
  tlsa: [`3 2 1 ${zeros(32)}`],
  reason: 'selector 2',
});
add('an unknown matching type is unusable', unusable, {
  chain,
  tlsa: [`3 1 3 ${zeros(48)}`],
  reason: 'matching type 3',
});
add('matching type 255 (PrivMatch) is unusable', unusable, { chain, tlsa: [`3 1 255 ${zeros(32)}`] });
for (const [parameters, length] of [
  ['3 1 1', 31],
  ['3 1 1', 33],
  ['3 1 1', 64],
  ['3 1 2', 32],
  ['2 0 2', 63],
  ['3 0 1', 20],
]) {
  add(`${parameters} with ${length} octets is unusable`, unusable, {
    chain,
    tlsa: [`${parameters} ${zeros(length)}`],
    reason: `${length} octets`,
  });
}
for (const parameters of ['3 0 0', '3 1 0', '2 0 0', '2 1 0']) {
  add(`${parameters} with a digest in place of the thing itself is unusable`, unusable, {
    chain,
    tlsa: [`${parameters} ${tlsa('3 1 1', leaf).slice(6)}`],
  });
  add(`${parameters} without data is unusable`, unusable, { chain, tlsa: [`${parameters} `] });
}
add('3 0 0 with a public key is unusable', unusable, { chain, tlsa: [`3 0 0 ${leaf.spki.toString('hex')}`] });
add('3 1 0 with a certificate is unusable', unusable, { chain, tlsa: [`3 1 0 ${leaf.der.toString('hex')}`] });
add('2 0 0 with an octet behind the certificate is unusable', unusable, {
  chain,
  tlsa: [`${tlsa('2 0 0', root)}00`],
});
add('2 1 0 with a point that is not on the curve is unusable', unusable, {
  chain,
  tlsa: [`${tlsa('2 1 0', root).slice(0, -8)}00000000`],
});
add('no record at all', unusable, { chain, tlsa: [], reason: 'there is no TLSA record' });
add('an unusable record leaves a usable one in force, that matches', yes, {
  chain,
  tlsa: [`3 1 0 ${zeros(9)}`, tlsa('3 1 1', leaf)],
});
add('an unusable record leaves a usable one in force, that does not match', no, {
  chain,
  tlsa: [`3 1 0 ${zeros(9)}`, tlsa('3 1 1', other)],
});

// --- several records ----------------------------------------------------------------------------------------
add('one match of two suffices: DANE-EE wrong, DANE-TA right', yes, {
  chain,
  tlsa: [tlsa('3 1 1', other), tlsa('2 0 1', root)],
  matched: { usage: 2 },
});
add('one match of two suffices: DANE-TA wrong, DANE-EE right', yes, {
  chain,
  tlsa: [tlsa('2 0 1', other), tlsa('3 1 1', leaf)],
  matched: { usage: 3 },
});
add('roll-over: the second of two keys matches', yes, {
  chain,
  tlsa: [tlsa('3 1 1', other), tlsa('3 1 1', leaf)],
});
add('digest agility: a right SHA2-256 does not count beside a wrong SHA2-512', no, {
  chain,
  tlsa: [tlsa('3 1 1', leaf), tlsa('3 1 2', other)],
  reason: 'stronger digest',
});
add('digest agility: a right SHA2-512 counts beside a wrong SHA2-256', yes, {
  chain,
  tlsa: [tlsa('3 1 1', other), tlsa('3 1 2', leaf)],
  matched: { matchingType: 2 },
});
add('digest agility: Full(0) counts beside a wrong SHA2-512', yes, {
  chain,
  tlsa: [tlsa('3 1 0', leaf), tlsa('3 1 2', other)],
  matched: { matchingType: 0 },
});
add('digest agility: selectors are apart', yes, { chain, tlsa: [tlsa('3 0 2', other), tlsa('3 1 1', leaf)] });
add('digest agility: usages are apart', yes, { chain, tlsa: [tlsa('2 1 2', other), tlsa('3 1 1', leaf)] });
add('digest agility: a SHA2-512 of wrong length shadows nothing', yes, {
  chain,
  tlsa: [`3 1 2 ${zeros(32)}`, tlsa('3 1 1', leaf)],
});
add('a thousand records of which the last matches', yes, {
  chain,
  tlsa: [
    ...Array.from({ length: 999 }, (_, i) => `3 1 1 ${i.toString(16).padStart(64, '0')}`),
    tlsa('3 1 1', leaf),
  ],
});

// --- DANE-EE: nothing but the match counts ---------------------------------------------------------------------
const expired = { from: day('2020-01-01'), to: day('2021-01-01') };
const future = { from: day('2030-01-01') };
const poison = extension('1.3.6.1.4.1.99999.1', octets(Buffer.from('?')), true);
for (const [what, certificate] of [
  ['that has expired', server(root, expired)],
  ['that is not valid yet', server(root, future)],
  ['for another name', server(root, { names: ['www.example.org'] })],
  ['without any name', server(root, { names: [] })],
  ['that is self-signed', server()],
  [
    'signed with MD5',
    server(ca('RSA Root', undefined, { kind: 'rsa2048' }), { raw: { algorithm: 'rsa-md5' } }),
  ],
  ['with a broken signature', server(root, { raw: { breakSignature: true } })],
  ['with an unknown critical extension', server(root, { more: [poison] })],
  ['for clients only', server(root, { extensions: [x.extKeyUsage('clientAuth')] })],
  ['that is a CA', ca('I am a CA')],
  ['of version 1', server(root, { extensions: [], raw: { version: 1 } })],
]) {
  add(`3 1 1 matches a certificate ${what}`, yes, {
    chain: [certificate],
    tlsa: [tlsa('3 1 1', certificate)],
  });
}
add('3 0 1 matches without any issuer sent', yes, { chain: [leaf], tlsa: [tlsa('3 0 1', leaf)] });
add('no certificate sent', no, { chain: [], tlsa: [tlsa('3 1 1', leaf)], reason: 'sent no certificate' });

// --- DANE-TA: which certificate may be the anchor ----------------------------------------------------------------
add('2 0 1 of a root that the server does not send', no, {
  chain: [leaf, intermediate],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'the server must send it',
});
add('2 0 0 of a root that the server does not send', yes, {
  chain: [leaf, intermediate],
  tlsa: [tlsa('2 0 0', root)],
  matched: { depth: 2 },
});
add('2 0 0 of an intermediate that the server does not send', yes, {
  chain: [leaf],
  tlsa: [tlsa('2 0 0', intermediate)],
  matched: { depth: 1 },
});
add('2 1 0: the bare key signed the topmost certificate', yes, {
  chain: [leaf, intermediate],
  tlsa: [tlsa('2 1 0', root)],
  matched: { depth: 2 },
});
add("2 1 0: the bare key signed the server's certificate", yes, {
  chain: [leaf],
  tlsa: [tlsa('2 1 0', intermediate)],
  matched: { depth: 1 },
});
add('2 1 0: the bare key signed it, but for another name', no, {
  chain: [leaf],
  tlsa: [tlsa('2 1 0', intermediate)],
  base: 'mx.example.net',
  reason: 'not for mx.example.net',
});
add('2 1 0: the bare key signed it, but it has expired', no, {
  chain: [server(root, expired)],
  tlsa: [tlsa('2 1 0', root)],
  reason: 'expired',
});
add('2 1 0: the bare key signed nothing', no, { chain: [leaf, intermediate], tlsa: [tlsa('2 1 0', other)] });
add('2 1 0 beside 2 0 0, neither sent', yes, {
  chain: [leaf, intermediate],
  tlsa: [tlsa('2 1 0', other), tlsa('2 0 0', root)],
});
const selfSigned = server(undefined, { extensions: [x.ca(), x.san(general.dns('mx.example.com'))] });
add("2 0 1 of the server's own certificate, self-signed", no, {
  chain: [selfSigned],
  tlsa: [tlsa('2 0 1', selfSigned)],
  reason: 'publish usage 3',
});
add("2 0 1 of the server's own self-signed certificate, sent twice", no, {
  reason: 'publish usage 3',
  chain: [selfSigned, selfSigned],
  tlsa: [tlsa('2 0 1', selfSigned)],
});
add("2 0 0 of the server's own self-signed certificate", no, {
  chain: [selfSigned],
  tlsa: [tlsa('2 0 0', selfSigned)],
});
add("2 0 1 of the server's certificate, issued by a CA", no, {
  chain,
  tlsa: [tlsa('2 0 1', leaf)],
  reason: 'publish usage 3',
});
add("2 1 0 of the server's own key, self-signed", yes, {
  chain: [selfSigned],
  tlsa: [tlsa('2 1 0', selfSigned)],
});
const expiredRoot = ca('Expired Root', undefined, expired);
const underExpiredRoot = ca('Under Expired Root', expiredRoot);
add('the anchor, a root, has expired', no, {
  chain: [server(underExpiredRoot), underExpiredRoot, expiredRoot],
  tlsa: [tlsa('2 0 1', expiredRoot)],
  reason: 'expired on 2021-01-01',
});
add('what lies above the anchor may have expired', yes, {
  chain: [server(underExpiredRoot), underExpiredRoot, expiredRoot],
  tlsa: [tlsa('2 0 1', underExpiredRoot)],
});
const expiredIntermediate = ca('Expired Issuing CA', root, expired);
const underExpired = server(expiredIntermediate);
add('the anchor, an intermediate, has expired', no, {
  chain: [underExpired, expiredIntermediate, root],
  tlsa: [tlsa('2 0 1', expiredIntermediate)],
  differs:
    'OpenSSL checks the dates of an anchor only if it is self-issued. RFC 7671 section 5.1: with DANE-TA, operators "need to remember to replace certificates prior to their expiration dates"; one rule for all anchors.',
});
add('the anchor is an intermediate whose issuer is not sent', yes, {
  chain: [leaf, intermediate],
  tlsa: [tlsa('2 1 1', intermediate)],
});
const brokenRoot = ca('Broken Root', undefined, { raw: { breakSignature: true } });
add("the anchor's own signature does not matter", yes, {
  chain: [server(brokenRoot), brokenRoot],
  tlsa: [tlsa('2 0 1', brokenRoot)],
});
const md5Root = ca('MD5 Root', undefined, { kind: 'rsa2048', raw: { algorithm: 'rsa-md5' } });
add("the anchor's own signature may be MD5", yes, {
  chain: [server(md5Root), md5Root],
  tlsa: [tlsa('2 0 1', md5Root)],
});
const plainRoot = ca('Root without basicConstraints', undefined, {
  extensions: [x.subjectKeyId(Buffer.from('1'))],
});
add('the anchor is of version 3 and not a CA', no, {
  chain: [server(plainRoot), plainRoot],
  tlsa: [tlsa('2 0 1', plainRoot)],
  reason: 'not a CA',
});
const version1Root = ca('Version 1 Root', undefined, { extensions: [], raw: { version: 1 } });
add('the anchor is a self-signed certificate of version 1', yes, {
  chain: [server(version1Root), version1Root],
  tlsa: [tlsa('2 0 1', version1Root)],
});
const version1Intermediate = ca('Version 1 CA', root, { extensions: [], raw: { version: 1 } });
add('an intermediate is of version 1', no, {
  chain: [server(version1Intermediate), version1Intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'version 3',
});
const poisonedRoot = ca('Poisoned Root', undefined, { more: [poison] });
add('the anchor has an unknown critical extension', no, {
  chain: [server(poisonedRoot), poisonedRoot],
  tlsa: [tlsa('2 0 1', poisonedRoot)],
});
const mailRoot = ca('Root for e-mail', undefined, { more: [x.extKeyUsage('email')] });
add('the anchor may only issue for e-mail', no, {
  chain: [server(mailRoot), mailRoot],
  tlsa: [tlsa('2 0 1', mailRoot)],
});

// --- the bag of certificates -----------------------------------------------------------------------------------
add('the chain is out of order', yes, { chain: [leaf, root, intermediate], tlsa: [tlsa('2 0 1', root)] });
add('certificates are sent twice', yes, {
  chain: [leaf, leaf, intermediate, intermediate, root, root],
  tlsa: [tlsa('2 0 1', root)],
  matched: { depth: 2 },
});
add('strangers are among them', yes, {
  chain: [leaf, other, intermediate, plainRoot, root],
  tlsa: [tlsa('2 0 1', root)],
});
add('the intermediate is not sent', no, {
  chain: [leaf, root],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'no path of signatures',
});
add('the server sends its issuer first', no, {
  chain: [intermediate, leaf, root],
  tlsa: [tlsa('3 1 1', leaf)],
});
const namesake = ca('Example Issuing CA', ca('Stranger'));
add('two CAs of one name, the wrong one first', yes, {
  chain: [leaf, namesake, intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
  differs: noAlternatives,
});
add('a CA of the right name and another key does not do', no, {
  chain: [leaf, namesake, root],
  tlsa: [tlsa('2 0 1', namesake)],
});
const secondRoot = ca('Second Root');
const cross = ca('Example Issuing CA', secondRoot, { keys: intermediate.keys });
add('cross-signed: the anchor is above the first certificate of the CA', yes, {
  chain: [leaf, intermediate, cross, root, secondRoot],
  tlsa: [tlsa('2 0 1', root)],
});
add('cross-signed: the anchor is above the second certificate of the CA', yes, {
  chain: [leaf, intermediate, cross, root, secondRoot],
  tlsa: [tlsa('2 0 1', secondRoot)],
  differs: noAlternatives,
});
add('cross-signed: the second certificate of the CA is the anchor itself', yes, {
  chain: [leaf, intermediate, cross],
  tlsa: [tlsa('2 0 1', cross)],
  differs: noAlternatives,
});
const expiredTwin = ca('Example Issuing CA', root, { ...expired, keys: intermediate.keys });
add('a CA has two certificates, the expired one first', yes, {
  chain: [leaf, expiredTwin, intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
});
const newRootKeys = key();
const rolledRoot = ca('Example Root', undefined, { keys: newRootKeys });
const rollover = ca('Example Root', root, { keys: newRootKeys });
const underNewKey = server(rolledRoot);
add('roll-over: a self-issued certificate is not self-signed, and the path goes on', yes, {
  chain: [underNewKey, rollover, root],
  tlsa: [tlsa('2 0 1', root)],
  matched: { depth: 2 },
  differs: noAlternatives,
});
const [loopA, loopB] = [key(), key()];
const crossA = ca('Loop A', { subject: [['CN', 'Loop B']], keys: loopB }, { keys: loopA });
const crossB = ca('Loop B', { subject: [['CN', 'Loop A']], keys: loopA }, { keys: loopB });
add('two CAs that certify each other end nowhere', no, {
  chain: [server({ subject: [['CN', 'Loop A']], keys: loopA }), crossA, crossB, root],
  reason: 'no path of signatures',
  tlsa: [tlsa('2 0 1', root)],
});
const wrongKeyId = ca('Root with another key id', undefined, {
  more: [x.subjectKeyId(Buffer.from('right'))],
});
add('an authority key id that points elsewhere', yes, {
  chain: [server(wrongKeyId, { more: [x.authorityKeyId(Buffer.from('wrong'))] }), wrongKeyId],
  tlsa: [tlsa('2 0 1', wrongKeyId)],
  differs:
    'RFC 5280 section 4.2.1.1: the extension "facilitates certification path construction"; section 6.1 does not validate by it. The key verifies the signature and the names chain, so it is the issuer.',
});
const shouting = ca([
  ['O', 'Example  Trust', 0x13],
  ['CN', 'ROOT'],
]);
add('names of CAs compare without case, spaces and string type', yes, {
  chain: [
    server({
      ...shouting,
      subject: [
        ['O', 'example trust', 0x0c],
        ['CN', 'root'],
      ],
    }),
    shouting,
  ],
  tlsa: [tlsa('2 0 1', shouting)],
});
add('the issuer has the right key and another name', no, {
  chain: [server(root, { issuerName: 'Somebody' }), root],
  tlsa: [tlsa('2 0 1', root)],
});
let deep = root;
const deepChain = [root];
for (let i = 0; i < 12; i += 1) {
  deep = ca(`Deep CA ${i}`, deep);
  deepChain.unshift(deep);
}
add('a path of fourteen certificates is longer than any real one', no, {
  chain: [server(deep), ...deepChain],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'given up',
  differs: 'OpenSSL goes up to a hundred; ours stops at ten certificates, a bound on work.',
});
const twins = Array.from({ length: 25 }, () => ca('Example Issuing CA', root));
add('twenty-five CAs of one name, and the right one after them', yes, {
  chain: [leaf, ...twins, intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
  differs: noAlternatives,
});

const meshKeys = Array.from({ length: 31 }, () => key());
const mesh = meshKeys.map((keys, index) =>
  ca('Mesh CA', { subject: [['CN', 'Mesh CA']], keys: meshKeys[(index + 30) % 31] }, { keys }),
);
add('a mesh of CAs of one name is given up before it costs much', no, {
  chain: [server(mesh[0]), ...mesh.slice(1), mesh[0]],
  tlsa: [tlsa('2 0 1', mesh[20])],
  reason: 'given up after 64 signature checks',
});
add('a chain of more certificates than are looked at', no, {
  chain: [leaf, ...Array.from({ length: 40 }, () => other), intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'no certificate that the server sent',
  differs: 'OpenSSL looks at all of them. Ours looks at the first 32, a bound on work.',
});

const layerKeys = Array.from({ length: 10 }, () => key());
const layers = layerKeys
  .slice(0, 8)
  .flatMap((keys, index) =>
    [1, 2, 3].map(() =>
      ca(`Layer ${index}`, { subject: [['CN', `Layer ${index + 1}`]], keys: layerKeys[index + 1] }, { keys }),
    ),
  );
add('three certificates for each of eight CAs make thousands of paths, which are given up', no, {
  chain: [server({ subject: [['CN', 'Layer 0']], keys: layerKeys[0] }), ...layers, root],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'given up after 256 steps',
});
const version1Rollover = ca('Example Root', root, { extensions: [], raw: { version: 1 } });
add('a self-issued certificate of version 1 below the anchor', no, {
  chain: [server(version1Rollover), version1Rollover, root],
  tlsa: [tlsa('2 0 1', root)],
});
const brokenKey = Buffer.from(root.der);
brokenKey.fill(
  0,
  brokenKey.indexOf(root.spki) + root.spki.length - 32,
  brokenKey.indexOf(root.spki) + root.spki.length,
);
add('2 0 0 with a certificate whose key is none', unusable, {
  chain,
  tlsa: [`2 0 0 ${brokenKey.toString('hex')}`],
});

// --- PKIX: dates, CA, path length, usage, extensions ------------------------------------------------------------
const under = (options, leafOptions) => {
  const middle = ca('Middle CA', root, options);
  return { chain: [server(middle, leafOptions), middle, root], tlsa: [tlsa('2 0 1', root)] };
};
add("the server's certificate has expired", no, {
  ...under({}, expired),
  reason: "the server's certificate expired on 2021-01-01",
  resultType: 'certificate-expired',
});
add("the server's certificate is not valid yet", no, { ...under({}, future), reason: 'not valid before' });
add('an intermediate has expired', no, { ...under(expired), reason: 'certificate 1 (CN=Middle CA) expired' });
add('an intermediate is not valid yet', no, under(future));
add('valid to this very second', yes, {
  ...under({ to: day('2026-06-01') }),
  differs:
    'RFC 5280 section 4.1.2.5: the period "from notBefore through notAfter, inclusive"; OpenSSL takes the last second as past.',
});
add('valid from this very second', yes, under({ from: day('2026-06-01') }));
add('dates past 2050 (GeneralizedTime)', yes, under({ to: day('2099-01-01') }));
add('an intermediate is not a CA', no, { ...under({ extensions: [x.notCa()] }), reason: 'is not a CA' });
add('an intermediate has no basicConstraints but may sign', no, {
  ...under({ extensions: [x.keyUsage('keyCertSign')] }),
  reason: 'is not a CA',
});
add('an intermediate may not sign certificates (keyUsage)', no, {
  ...under({ extensions: [x.ca(), x.keyUsage('digitalSignature')] }),
  reason: 'keyUsage',
});
add('an intermediate without keyUsage may sign', yes, under({ extensions: [x.ca()] }));
add('path length 0 and only the server below', yes, under({ pathLength: 0 }));
const tightRoot = ca('Tight Root', undefined, { pathLength: 0 });
const tightMiddle = ca('Tight CA', tightRoot);
add('path length 0 of the anchor, and a CA below', no, {
  chain: [server(tightMiddle), tightMiddle, tightRoot],
  tlsa: [tlsa('2 0 1', tightRoot)],
  reason: 'pathLenConstraint',
});
const tightKeys = key();
const tightRollover = ca('Tight Root', tightRoot, { keys: tightKeys });
add('path length 0, and only a self-issued CA below', yes, {
  chain: [server(tightRollover), tightRollover, tightRoot],
  tlsa: [tlsa('2 0 1', tightRoot)],
  differs: noAlternatives,
});
const tight = ca('Tight Middle', root, { pathLength: 0 });
const belowTight = ca('Below Tight', tight);
add('path length 0 of an intermediate, and a CA below', no, {
  chain: [server(belowTight), belowTight, tight, root],
  tlsa: [tlsa('2 0 1', root)],
});
add('path length above the anchor does not count', yes, {
  chain: [server(belowTight), belowTight, tight, root],
  tlsa: [tlsa('2 0 1', belowTight)],
});
add('an intermediate for TLS servers', yes, under({ more: [x.extKeyUsage('serverAuth', 'clientAuth')] }));
add('an intermediate for TLS clients only', no, {
  ...under({ more: [x.extKeyUsage('clientAuth')] }),
  reason: 'extKeyUsage',
});
add('an intermediate for any purpose', yes, {
  ...under({ more: [x.extKeyUsage('any')] }),
  differs: 'RFC 5280 section 4.2.1.12 knows anyExtendedKeyUsage; OpenSSL asks for serverAuth by name',
});
add(
  "the server's certificate is for TLS clients only",
  no,
  under({}, { extensions: [x.extKeyUsage('clientAuth'), x.san(general.dns('mx.example.com'))] }),
);
add(
  "the server's certificate is without extended key usage",
  yes,
  under({}, { extensions: [x.san(general.dns('mx.example.com'))] }),
);
add("the server's key may only sign certificates", no, {
  ...under({}, { extensions: [x.keyUsage('keyCertSign'), x.san(general.dns('mx.example.com'))] }),
  reason: 'keyUsage',
});
add(
  "the server's key may only encipher keys (RSA of old)",
  yes,
  under({}, { extensions: [x.keyUsage('keyEncipherment'), x.san(general.dns('mx.example.com'))] }),
);
add("the server's certificate has an unknown critical extension", no, {
  ...under({}, { more: [poison] }),
  reason: '1.3.6.1.4.1.99999.1',
});
add('an intermediate has an unknown critical extension', no, under({ more: [poison] }));
add(
  'an unknown extension that is not critical does not matter',
  yes,
  under({ more: [extension('1.3.6.1.4.1.99999.1', octets(Buffer.from('?')))] }),
);
add('a critical policyConstraints, which is not evaluated', no, {
  ...under({ more: [extension('2.5.29.36', Buffer.from('3003800100', 'hex'), true)] }),
  differs:
    'RFC 5280 section 4.2: a critical extension "that contains information that it cannot process" MUST be rejected; OpenSSL ignores policies unless asked.',
});
add('an extension that is there twice', no, { ...under({ more: [x.ca()] }), reason: 'twice' });
add('a subjectAltName that is not DER', no, {
  ...under({}, { extensions: [extension('2.5.29.17', Buffer.from('30820e', 'hex'))] }),
  reason: 'malformed',
});
add(
  "the server's certificate is itself a CA",
  yes,
  under(
    {},
    {
      extensions: [
        x.ca(),
        x.keyUsage('keyCertSign', 'digitalSignature'),
        x.san(general.dns('mx.example.com')),
      ],
    },
  ),
);
const leafIssued = server(leaf);
add('a server certificate that issued another one', no, {
  chain: [leafIssued, leaf, intermediate, root],
  tlsa: [tlsa('2 0 1', root)],
  reason: 'is not a CA',
});

const longForm = Buffer.concat([Buffer.from([0x30, 0x81, 0x10, 0x82, 0x0e]), Buffer.from('mx.example.com')]);
add('a subjectAltName with a length in more octets than it needs', no, {
  ...under({}, { extensions: [extension('2.5.29.17', longForm)] }),
  reason: 'malformed',
  differs:
    'RFC 5280 section 4.2: the extnValue contains "the DER encoding of an ASN.1 value", and this is not DER. OpenSSL reads BER as well.',
});
const withPathLength = (...content) =>
  under({ extensions: [extension('2.5.29.19', sequence(boolean(true), tlv(0x02, content)), true)] });
add('a negative path length', no, { ...withPathLength(0xff), reason: 'negative' });
add('a path length past any number of certificates', yes, withPathLength(0x7f, ...Array(12).fill(0xff)));

// --- signatures and keys ---------------------------------------------------------------------------------------
add("the signature on the server's certificate is broken", no, under({}, { raw: { breakSignature: true } }));
add('the signature on the intermediate is broken', no, under({ raw: { breakSignature: true } }));
const rsaRoot = ca('RSA Root', undefined, { kind: 'rsa2048' });
for (const [algorithm, expect] of [
  ['rsa-sha256', yes],
  ['rsa-sha512', yes],
  ['rsa-sha1', no],
  ['rsa-md5', no],
]) {
  add(`${algorithm} on the server's certificate`, expect, {
    chain: [server(rsaRoot, { raw: { algorithm } }), rsaRoot],
    tlsa: [tlsa('2 0 1', rsaRoot)],
  });
}
for (const [algorithm, expect] of [
  ['ecdsa-sha384', yes],
  ['ecdsa-sha1', no],
]) {
  add(`${algorithm} on the server's certificate`, expect, {
    chain: [server(root, { raw: { algorithm } }), root],
    tlsa: [tlsa('2 0 1', root)],
  });
}
const rsaMiddle = ca('SHA-1 CA', rsaRoot, { raw: { algorithm: 'rsa-sha1' } });
add('SHA-1 on an intermediate', no, {
  chain: [server(rsaMiddle), rsaMiddle, rsaRoot],
  tlsa: [tlsa('2 0 1', rsaRoot)],
  reason: 'SHA-1',
});
add('SHA-1 on an intermediate that is the anchor', yes, {
  chain: [server(rsaMiddle), rsaMiddle, rsaRoot],
  tlsa: [tlsa('2 0 1', rsaMiddle)],
});
add('SHA-1 on the topmost certificate, under a bare key', no, {
  chain: [server(rsaRoot, { raw: { algorithm: 'rsa-sha1' } })],
  tlsa: [tlsa('2 1 0', rsaRoot)],
  differs:
    'OpenSSL takes the topmost certificate for the anchor, whose own signature does not count. Here it is just that signature on which everything rests (RFC 7671 section 5.2.3).',
});
for (const kind of ['ed25519', 'P-384', 'P-521', 'rsa3072']) {
  const anchor = ca(`${kind} Root`, undefined, { kind });
  add(`a chain under a ${kind} key`, yes, {
    chain: [server(anchor, { kind }), anchor],
    tlsa: [tlsa('2 1 1', anchor)],
  });
}
const shortRoot = ca('Short Root', undefined, { kind: 'rsa768' });
add('an RSA key of 768 bits as anchor', no, {
  chain: [server(shortRoot), shortRoot],
  tlsa: [tlsa('2 0 1', shortRoot)],
  reason: '768 bits',
});
add('two signature algorithms in one certificate', no, {
  chain: [server(rsaRoot, { raw: { algorithm: 'rsa-sha256', innerAlgorithm: 'rsa-sha512' } }), rsaRoot],
  tlsa: [tlsa('2 0 1', rsaRoot)],
});

add('RSASSA-PSS with SHA-256', yes, {
  chain: [server(rsaRoot, { raw: { algorithm: 'pss-sha256' } }), rsaRoot],
  tlsa: [tlsa('2 0 1', rsaRoot)],
});
add('RSASSA-PSS with SHA-1', no, {
  chain: [server(rsaRoot, { raw: { algorithm: 'pss-sha1' } }), rsaRoot],
  tlsa: [tlsa('2 0 1', rsaRoot)],
});
const smallCurve = ca('Small Curve Root', undefined, { kind: 'secp112r1' });
add('a key on a curve of 112 bits', no, {
  chain: [server(smallCurve), smallCurve],
  tlsa: [tlsa('2 0 1', smallCurve)],
  reason: 'secp112r1',
});
add('2 1 0 with an RSA key of 768 bits', no, {
  chain: [server(shortRoot)],
  tlsa: [tlsa('2 1 0', shortRoot)],
  differs: 'OpenSSL looks at the keys of certificates only. The whole path rests on this one.',
});

// --- names (RFC 7672 sections 3.2.2 and 3.2.3) --------------------------------------------------------------------
const named = (options, base = 'mx.example.com', others = []) => ({
  chain: [server(root, options), root],
  tlsa: [tlsa('2 0 1', root)],
  base,
  others,
});
add('the second reference name is in the certificate', yes, {
  ...named({ names: ['example.com'] }, 'mx.example.com', ['example.com']),
  matched: { referenceName: 'example.com' },
});
add('neither reference name is in the certificate', no, {
  ...named({ names: ['example.org'] }, 'mx.example.com', ['example.com']),
  reason: 'is for example.org, not for mx.example.com or example.com',
  resultType: 'certificate-host-mismatch',
});
add('names compare without case', yes, named({ names: ['MX.Example.COM'] }));
add('a wildcard for the first label', yes, named({ names: ['*.example.com'] }));
add('a wildcard does not stand for two labels', no, named({ names: ['*.com.example'] }, 'a.b.com.example'));
add('a wildcard does not stand for no label', no, named({ names: ['*.mx.example.com'] }));
add('a wildcard in part of a label is none', no, named({ names: ['mx*.example.com'] }, 'mx1.example.com'));
add('a wildcard in another label is none', no, named({ names: ['mx.*.com'] }));
add('a wildcard directly under a top-level domain is none', no, named({ names: ['*.com'] }, 'example.com'));
add('a bare star is none', no, named({ names: ['*'] }, 'com'));
add('a NUL ends no name', no, named({ names: ['mx.example.com\0.evil.example'] }));
add('a dot at the end of a name in the certificate', no, named({ names: ['mx.example.com.'] }));
add('an A-label', yes, named({ names: ['mx.xn--bcher-kva.example'] }, 'mx.xn--bcher-kva.example'));
add('a wildcard for an A-label', yes, named({ names: ['*.example.com'] }, 'xn--bcher-kva.example.com'));
add(
  'the common name counts without any subjectAltName',
  yes,
  named({ subject: 'mx.example.com', names: [] }),
);
add(
  'the common name does not count beside a DNS name',
  no,
  named({ subject: 'mx.example.com', names: ['www.example.com'] }),
);
add(
  'the common name counts beside an IP address',
  yes,
  named({ subject: 'mx.example.com', names: [general.ip(192, 0, 2, 1)] }),
);
add(
  'the common name counts beside an e-mail address and a URI',
  yes,
  named({
    subject: 'mx.example.com',
    names: [general.email('a@example.com'), general.uri('https://example.com/')],
  }),
);
add('a wildcard in the common name', yes, named({ subject: '*.example.com', names: [] }));
add(
  'the second of two common names',
  yes,
  named({
    subject: [
      ['CN', 'Mail server'],
      ['CN', 'mx.example.com'],
    ],
    names: [],
  }),
);
add('a common name with a NUL', no, named({ subject: 'mx.example.com\0', names: [] }));
add(
  'a URI that prints as a DNS name would',
  no,
  named({ names: [general.uri('https://evil.example/, DNS:mx.example.com'), 'evil.example'] }),
);
add(
  'an e-mail address that prints as a DNS name would',
  no,
  named({ names: [general.email('a@evil.example, DNS:mx.example.com'), 'evil.example'] }),
);
add('a DNS name that prints as two', no, named({ names: ['evil.example, DNS:mx.example.com'] }));
add('no name at all', no, { ...named({ names: [] }), reason: 'no DNS name at all' });

// --- name constraints -------------------------------------------------------------------------------------------
const constrained = (constraints, options, critical) => {
  const middle = ca('Constrained CA', root, { more: [x.nameConstraints(constraints, critical)] });
  return { chain: [server(middle, options), middle, root], tlsa: [tlsa('2 0 1', root)] };
};
const dns = (...names) => names.map(general.dns);
add('within the permitted names', yes, constrained({ permitted: dns('example.com') }));
add('outside the permitted names', no, {
  ...constrained({ permitted: dns('example.org') }),
  reason: 'nameConstraints',
});
add(
  'one of two names outside the permitted ones',
  no,
  constrained({ permitted: dns('example.com') }, { names: ['mx.example.com', 'mx.example.org'] }),
);
add('the end of a label is not the end of a name', no, constrained({ permitted: dns('xample.com') }));
add('within the excluded names', no, constrained({ excluded: dns('example.com') }));
add('outside the excluded names', yes, constrained({ excluded: dns('example.org') }));
add(
  'permitted but excluded',
  no,
  constrained({ permitted: dns('example.com'), excluded: dns('mx.example.com') }),
);
add('everything excluded (an empty DNS name)', no, constrained({ excluded: dns('') }));
add('a wildcard that may stand for an excluded name', no, {
  ...constrained({ excluded: dns('mx.example.com') }, { names: ['*.example.com'] }),
  differs:
    'RFC 5280 section 4.2.1.10: an excluded name is "invalid regardless"; OpenSSL compares the star as a letter, which lets the wildcard speak for the excluded name.',
});
add('a permitted name with a leading dot', yes, constrained({ permitted: dns('.example.com') }));
add(
  'constraints that are not critical bind as well',
  no,
  constrained({ permitted: dns('example.org') }, {}, false),
);
add(
  'the common name is constrained where it counts as DNS name',
  no,
  constrained({ permitted: dns('example.org') }, { subject: 'mx.example.com', names: [] }),
);
add(
  'a common name that is no host name is not constrained as one',
  yes,
  constrained({ permitted: dns('example.com') }, { subject: 'Mail server' }),
);
add(
  'IP addresses excluded, and the certificate has none',
  yes,
  constrained({ permitted: dns('example.com'), excluded: [general.ip(0, 0, 0, 0, 0, 0, 0, 0)] }),
);
add(
  'IP addresses excluded, and the certificate has one',
  no,
  constrained(
    { excluded: [general.ip(0, 0, 0, 0, 0, 0, 0, 0)] },
    { names: ['mx.example.com', general.ip(192, 0, 2, 1)] },
  ),
);
add('IP addresses permitted, and the certificate has one of them', no, {
  ...constrained(
    { permitted: [general.ip(192, 0, 2, 0, 255, 255, 255, 0)] },
    { names: ['mx.example.com', general.ip(192, 0, 2, 1)] },
  ),
  differs:
    'RFC 5280 section 4.2.1.10: "applications MUST either process the constraint or reject the certificate"; addresses are not evaluated here.',
});
add(
  'within the permitted directory names',
  yes,
  constrained({ permitted: [general.directory([['O', 'Example']])] }),
);
add(
  'outside the permitted directory names',
  no,
  constrained({ permitted: [general.directory([['O', 'Somebody']])] }),
);
add('an excluded directory name', no, constrained({ excluded: [general.directory([['O', 'Example']])] }));
add(
  'an excluded directory name in the subjectAltName',
  no,
  constrained(
    { excluded: [general.directory([['O', 'Hidden']])] },
    {
      names: [
        'mx.example.com',
        general.directory([
          ['O', 'Hidden'],
          ['CN', 'x'],
        ]),
      ],
    },
  ),
);
add(
  'e-mail addresses constrained, and the certificate has one in its subject',
  no,
  constrained(
    { excluded: [general.email('example.com')] },
    {
      subject: [
        ['O', 'Example'],
        ['emailAddress', 'a@example.com'],
      ],
    },
  ),
);
add(
  'e-mail addresses constrained, and the certificate has none',
  yes,
  constrained({ excluded: [general.email('example.com')] }),
);
add(
  'the common name of a CA is no DNS name',
  yes,
  (() => {
    const top = ca('Constrained Top', undefined, {
      more: [x.nameConstraints({ permitted: dns('example.com') })],
    });
    const middle = ca('ca.example.org', top);
    return { chain: [server(middle), middle, top], tlsa: [tlsa('2 0 1', top)] };
  })(),
);
add(
  'a self-issued CA below is exempt from constraints',
  yes,
  (() => {
    const top = ca('Constrained Top', undefined, {
      more: [x.nameConstraints({ permitted: [general.directory([['O', 'Example']])] })],
    });
    const keys = key();
    const rolled = ca('Constrained Top', top, { keys });
    return { chain: [server(rolled), rolled, top], tlsa: [tlsa('2 0 1', top)], differs: noAlternatives };
  })(),
);
add(
  'a self-issued server certificate is not exempt',
  no,
  (() => {
    const top = ca([['O', 'Example']], undefined, {
      more: [x.nameConstraints({ permitted: dns('example.org') })],
    });
    return { chain: [server(top), top], tlsa: [tlsa('2 0 1', top)] };
  })(),
);
add(
  'a subtree with a minimum, which RFC 5280 does not allow',
  no,
  (() => {
    const subtree = sequence(tlv(0xa0, sequence(general.dns('example.com'), tlv(0x80, [1]))));
    return under({ more: [extension('2.5.29.30', subtree, true)] });
  })(),
);

add(
  'constraints of the anchor bind',
  no,
  (() => {
    const anchor = ca('Constrained Root', undefined, {
      more: [x.nameConstraints({ permitted: dns('example.org') })],
    });
    return { chain: [server(anchor), anchor], tlsa: [tlsa('2 0 1', anchor)] };
  })(),
);
add(
  'constraints above the anchor do not bind',
  yes,
  (() => {
    const top = ca('Constrained Top', undefined, {
      more: [x.nameConstraints({ permitted: dns('example.org') })],
    });
    const anchor = ca('Anchor below', top);
    return { chain: [server(anchor), anchor, top], tlsa: [tlsa('2 0 1', anchor)] };
  })(),
);

export { cases };
