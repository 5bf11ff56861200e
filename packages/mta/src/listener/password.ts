/**
 * Passwords of users, as the configuration has them: `$scrypt$ln=15,r=8,p=1$salt$hash`, the form of the PHC
 * strings that other programs write too; salt and hash in Base64 without padding.
 *
 * scrypt (RFC 7914) costs memory on purpose, 32 MiB for these parameters, so only a few are worked on at a
 * time. A user that does not exist costs as much as one that does: who tries names learns nothing from the
 * time.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

interface Parameters {
  /** Logarithm of N to base 2. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

interface PasswordHash extends Parameters {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** OWASP's second choice in memory, and 80 ms of one core; a login happens once a connection. */
const DEFAULTS: Parameters = { ln: 15, r: 8, p: 1 };
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;
/** A line of a configuration must not take more memory than a relay can spare. */
const MAX_MEMORY = 256 * 1024 * 1024;
const MAX_P = 16;

const PARAMETERS = /^ln=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,2})$/;
const SALT = /^[A-Za-z0-9+/]{8,128}$/;
const HASH = /^[A-Za-z0-9+/]{22,128}$/;

export async function hashPassword(password: string, random = randomBytes): Promise<string> {
  const salt = random(SALT_OCTETS);
  const hash = await derive(password, salt, HASH_OCTETS, DEFAULTS);
  const { ln, r, p } = DEFAULTS;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
}

/** @returns false where it does not match, and where `stored` is no hash */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const expected = parseHash(stored);
  if (expected === undefined) return false;
  const { salt, hash } = expected;
  return timingSafeEqual(await derive(password, salt, hash.length, expected), hash);
}

/** Why a line of the configuration is no hash; undefined where it is one. */
export function hashProblem(stored: string): string | undefined {
  if (parseHash(stored) !== undefined) return undefined;
  return 'it is no hash of the form $scrypt$ln=15,r=8,p=1$SALT$HASH; "danelaw user hash" makes one';
}

function parseHash(stored: string): PasswordHash | undefined {
  const [empty, name, costs = '', salt = '', hash = '', ...rest] = stored.split('$');
  if (empty !== '' || name !== 'scrypt' || rest.length > 0 || !SALT.test(salt) || !HASH.test(hash)) {
    return undefined;
  }
  const [, ln = '', r = '', p = ''] = PARAMETERS.exec(costs) ?? [];
  const parameters = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (parameters.ln < 1 || parameters.r < 1 || parameters.p < 1 || parameters.p > MAX_P) return undefined;
  // RFC 7914 section 2: N is less than 2^(128 * r / 8).
  if (parameters.ln >= 16 * parameters.r || memoryOf(parameters) > MAX_MEMORY) return undefined;
  return { ...parameters, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

const memoryOf = ({ ln, r }: Parameters): number => 128 * 2 ** ln * r;

/** RFC 8265 section 4.2.2: two ways to write one character are one password. */
const octetsOf = (password: string): Buffer => Buffer.from(password.normalize('NFC'));

function derive(password: string, salt: Uint8Array, length: number, parameters: Parameters): Promise<Buffer> {
  const { ln, r, p } = parameters;
  // Node refuses what takes more than it was told; a little more than the table itself is needed.
  const options = { N: 2 ** ln, r, p, maxmem: memoryOf(parameters) + 128 * r * (p + 2) + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(octetsOf(password), salt, length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64').replace(/=+$/, '');

/** A hash that no password has, at the same costs: what an unknown user's password is compared with. */
function hashOfNobody({ ln, r, p }: Parameters): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${'A'.repeat(22)}$${'A'.repeat(43)}`;
}

/** Threads of Node's pool, which files are read and written by as well, that passwords may take. */
const CONCURRENT = 2;
/** Two seconds' work; whoever comes then is told to come later. */
const MAX_WAITING = 20;

/** Checks logins, a few at a time. */
export class PasswordChecker {
  #users: ReadonlyMap<string, string> = new Map();
  #nobody = hashOfNobody(DEFAULTS);
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Names to hashes; a login under way is still checked against those that were there before. */
  set users(users: ReadonlyMap<string, string>) {
    this.#users = new Map([...users].map(([name, hash]) => [name.normalize('NFC'), hash]));
    // Where hashes were made elsewhere, at other costs, an unknown user costs what the first user does.
    const [first = ''] = users.values();
    this.#nobody = hashOfNobody(parseHash(first) ?? DEFAULTS);
  }

  /** @returns `busy` where more logins wait than can be worked on within seconds */
  async check(user: string, password: string): Promise<'right' | 'wrong' | 'busy'> {
    if (this.#running >= CONCURRENT) {
      if (this.#waiting.length >= MAX_WAITING) return 'busy';
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      const stored = this.#users.get(user.normalize('NFC'));
      const matches = await verifyPassword(password, stored ?? this.#nobody);
      return matches && stored !== undefined ? 'right' : 'wrong';
    } finally {
      // The place goes to the next one, if there is one.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
