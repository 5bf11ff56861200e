/**
 * Builds Debian's package of danelaw, offline, out of what `npm ci` and `npm run build` have left:
 *
 *     npm run deb                                        packaging/out/danelaw_VERSION_ARCH.deb
 *     node packaging/build-deb.js --out DIR --version V  elsewhere, under another version
 *
 * The same input gives the same octets: times are those of the last commit (or SOURCE_DATE_EPOCH), modes and owners do not depend
 * on who builds. The package holds the bundled program, what that loads from npm, and binaries for this machine's architecture.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { NOT_BUNDLED } from '../packages/mta/bundle.js';
import { copyrightText } from './copyright-text.js';
import { productionModules } from './production-modules.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'packages/mta');
const packaging = join(root, 'packaging');

const { values } = parseArgs({ options: { out: { type: 'string' }, version: { type: 'string' } } });
const manifest = JSON.parse(readFileSync(join(program, 'package.json'), 'utf8'));
const version = values.version ?? manifest.version;
const out = values.out ?? join(packaging, 'out');
const epoch = Number(
  process.env.SOURCE_DATE_EPOCH ??
    execFileSync('git', ['-C', root, 'log', '-1', '--format=%ct'], { encoding: 'utf8' }),
);
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch];
if (architecture === undefined) throw new Error(`there are no binaries of LMDB for ${process.arch}`);

const MAINTAINER = process.env.DEBEMAIL
  ? `${process.env.DEBFULLNAME ?? 'danelaw'} <${process.env.DEBEMAIL}>`
  : 'The danelaw authors <danelaw@danelaw.invalid>';

/** What a program that runs does not need: types, sources, tests, words. Licences are in the copyright file. */
const NOT_NEEDED = new RegExp(
  [
    String.raw`\.(?:map|md|markdown|html|[cm]?ts|flow|gypi?|cc?|cpp|h|py|ya?ml|tgz|sh|jst)$`,
    String.raw`\.musl\.node$`,
    String.raw`^\.`,
    '^(?:licen[cs]e|security)',
    String.raw`^test\.js$`,
    '^(?:tests?|docs|bench(?:marks?)?|examples?|integration|scripts|tools|dependencies|src|node_modules)$',
    '^(?:makefile|build-esm|authors)$',
  ].join('|'),
  'iu',
);
/** Where shells look for what they are to complete. */
const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/danelaw',
  zsh: 'usr/share/zsh/vendor-completions/_danelaw',
  fish: 'usr/share/fish/vendor_completions.d/danelaw.fish',
};
/** For compiling what is compiled already. */
const FOR_COMPILING = ['node-addon-api'];

const stage = mkdtempSync(join(tmpdir(), 'danelaw-deb-'));
try {
  await fill();
  settle(stage);
  mkdirSync(out, { recursive: true });
  const file = join(out, `danelaw_${version}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '--threads-max=1', '-Zxz', '-z3', '--build', stage, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  process.stdout.write(`${file}\n`);
} finally {
  rmSync(stage, { recursive: true });
}

async function fill() {
  const library = join(stage, 'usr/lib/danelaw');
  // What npm's package has, but for what only those load who import it.
  const folders = manifest.files.filter(
    (name) => !['bin', 'dist', 'man', 'README.md'].includes(name) && !name.startsWith('!'),
  );
  for (const name of folders) copy(join(program, name), join(library, name));
  put('usr/lib/danelaw/package.json', JSON.stringify({ name: 'danelaw', version, type: 'module' }));
  const start = readFileSync(join(program, 'bin/danelaw.js'), 'utf8');
  // Not the node that somebody has first in his PATH.
  put('usr/lib/danelaw/bin/danelaw.js', start.replace('#!/usr/bin/env node', '#!/usr/bin/node'), 0o755);
  put('usr/lib/danelaw/sendmail', readFileSync(join(packaging, 'sendmail')), 0o755);
  mkdirSync(join(stage, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/danelaw/bin/danelaw.js', join(stage, 'usr/bin/danelaw'));

  const modules = productionModules(NOT_BUNDLED, program).filter(({ name }) => !FOR_COMPILING.includes(name));
  for (const { folder } of modules)
    copy(folder, join(library, relative(root, folder).replace(/^packages\/mta\//u, '')));
  // In the bundle: their licences are to be told, too.
  const names = Object.keys(manifest.dependencies).filter(
    (name) => !NOT_BUNDLED.includes(name) && !name.startsWith('@danelaw/'),
  );
  const bundled = productionModules(names, program);

  put('etc/danelaw/danelaw.toml', readFileSync(join(packaging, 'danelaw.toml')), 0o640);
  put('lib/systemd/system/danelaw.service', readFileSync(join(packaging, 'danelaw.service')));
  for (const name of readdirSync(join(program, 'man'))) {
    put(`usr/share/man/man1/${name}.gz`, zip(readFileSync(join(program, 'man', name))));
  }
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const options = { env: { ...process.env, NO_COLOR: '1' } };
    put(
      path,
      execFileSync(process.execPath, [join(program, 'bin/danelaw.js'), 'completion', shell], options),
    );
  }
  const documentation = 'usr/share/doc/danelaw';
  put(`${documentation}/copyright`, copyrightText(root, [...bundled, ...modules]));
  put(`${documentation}/changelog.gz`, zip(changelog()));
  put(`${documentation}/CHANGELOG.md.gz`, zip(readFileSync(join(root, 'CHANGELOG.md'))));
  for (const name of readdirSync(join(root, 'docs'))) {
    if (/\.(?:md|json)$/u.test(name)) put(`${documentation}/${name}`, readFileSync(join(root, 'docs', name)));
  }

  for (const name of readdirSync(join(packaging, 'hooks'))) {
    // What acme.sh reads is no program.
    put(
      `usr/share/danelaw/hooks/${name}`,
      readFileSync(join(packaging, 'hooks', name)),
      name.endsWith('.sh') ? 0o644 : 0o755,
    );
  }

  put('usr/share/lintian/overrides/danelaw', readFileSync(join(packaging, 'debian/lintian-overrides')));
  const size = octetsOf(stage);
  put('DEBIAN/control', control(Math.ceil(size / 1024)));
  put('DEBIAN/conffiles', '/etc/danelaw/danelaw.toml\n');
  for (const name of ['postinst', 'prerm', 'postrm']) {
    put(`DEBIAN/${name}`, readFileSync(join(packaging, 'debian', name)), 0o755);
  }
}

function control(installedSize) {
  return `Package: danelaw
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${installedSize}
Depends: nodejs (>= 20.19), adduser, ca-certificates, libc6, libstdc++6
Section: mail
Priority: optional
Description: mail relay that delivers under DANE and MTA-STS
 danelaw takes mail from programs and mail servers, keeps it in a durable queue
 and delivers it under the rules of RFC 7672: it finds out through DNSSEC, which
 it validates itself, which servers speak for a domain and which keys they have,
 and delivers only over channels that match.
 .
 It is not a mail-transport-agent in Debian's sense, as it has no mailboxes; it
 can stand beside one, or as /usr/sbin/sendmail where there is none.
`;
}

function changelog() {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `danelaw (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${MAINTAINER}  ${date}\n`;
}

function zip(content) {
  return gzipSync(content, { level: 9 });
}

function put(path, content, mode = 0o644) {
  const file = join(stage, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

function copy(from, to) {
  cpSync(from, to, {
    recursive: true,
    filter: (path) => path === from || !NOT_NEEDED.test(basename(path)),
  });
}

/** Modes and times that do not depend on who builds, and when. */
function settle(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    chmodSync(path, 0o755);
    for (const name of readdirSync(path)) settle(join(path, name));
  } else if (found !== undefined && path.includes('/usr/lib/danelaw/') && !isProgram(path)) {
    chmodSync(path, 0o644);
  }
  lutimesSync(path, epoch, epoch);
}

function isProgram(path) {
  return /\/usr\/lib\/danelaw\/(?:bin\/danelaw\.js|sendmail)$/u.test(path);
}

function octetsOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
