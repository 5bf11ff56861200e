// Writes vectors.json: node generate.mjs ORACLE, where ORACLE is the compiled oracle.c.
//
// The keys are new each time, so the file changes throughout; the verdicts must not. It ends with an error and
// writes nothing where OpenSSL differs from what is expected and the case does not say why - or says why and it does not.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { NOW } from './authority.mjs';
import { cases } from './cases.mjs';

const [oracle] = process.argv.slice(2);
if (!oracle) throw new Error('usage: node generate.mjs ORACLE');

const certificates = new Map();
const nameOf = (der) => {
  const base64 = der.toString('base64');
  if (!certificates.has(base64)) certificates.set(base64, `c${certificates.size + 1}`);
  return certificates.get(base64);
};

const question = ({ chain, tlsa, base = 'mx.example.com', others = [] }) =>
  [
    `time ${NOW.getTime() / 1000}`,
    `base ${base}`,
    ...others.map((name) => `other ${name}`),
    ...chain.map(({ der }) => `cert ${der.toString('hex')}`),
    ...tlsa.map((record) => `tlsa ${record}`),
    'end\n',
  ].join('\n');

const run = spawnSync(oracle, { input: cases.map(question).join(''), encoding: 'utf8' });
const answers = run.stdout.trimEnd().split('\n');
if (answers.length !== cases.length)
  throw new Error(`${answers.length} answers to ${cases.length} questions: ${run.stderr}`);

const problems = [];
const vectors = cases.map((each, index) => {
  const [, usable, authenticated, error] = /^(.) (.) (.*)$/.exec(answers[index]);
  const openssl = usable === '0' ? 'unusable' : authenticated === '1' ? 'authenticated' : 'refused';
  if ((openssl !== each.expect) !== (each.differs !== undefined)) {
    problems.push(
      `${each.name}: expected ${each.expect}, OpenSSL says ${openssl} (${error}), differs: ${each.differs}`,
    );
  }
  const { chain, tlsa, base = 'mx.example.com', others = [], ...rest } = each;
  return {
    ...rest,
    chain: chain.map(({ der }) => nameOf(der)),
    tlsa,
    baseDomain: base,
    otherNames: others,
    openssl,
    opensslError: error,
  };
});
const names = cases.map(({ name }) => name);
for (const name of names)
  if (names.indexOf(name) !== names.lastIndexOf(name)) problems.push(`twice: ${name}`);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}

const file = {
  time: NOW.toISOString(),
  certificates: Object.fromEntries([...certificates].map(([base64, name]) => [name, base64])),
  vectors,
};
writeFileSync(new URL('vectors.json', import.meta.url), `${JSON.stringify(file, null, 2)}\n`);
console.log(
  `${vectors.length} vectors, ${certificates.size} certificates, ${vectors.filter(({ differs }) => differs).length} differ from OpenSSL on purpose`,
);
