/**
 * ISC's `dig`: asks a server one question and reads what it says, so that our own DNS code is not its own
 * witness.
 */
import { programs } from './neighbours.js';
import { run } from './run.js';

export interface Question {
  /** By default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  readonly name: string;
  readonly type: string;
}

export interface DigAnswer {
  readonly rcode: string;
  readonly flags: ReadonlySet<string>;
  /** Each record of the answer section, its fields separated by one space. */
  readonly answer: readonly string[];
}

/** What a validating resolver says of a name (RFC 4035 section 4.3). */
export interface Verdict {
  readonly status: 'secure' | 'insecure' | 'bogus';
  readonly rcode: string;
  /** How many records of the type that was asked for. */
  readonly records: number;
}

/** Asks once; rejects where no answer comes. */
export async function answers(question: Question, ...flags: string[]): Promise<DigAnswer> {
  const { address = '127.0.0.1', port, name, type } = question;
  const options = ['+tries=1', '+time=10', '+nocookie', ...flags];
  const { code, stdout, stderr } = await run(programs.dig, [
    ...[`@${address}`, '-p', String(port), ...options, '-q', name, '-t', type],
  ]);
  const rcode = /status: ([A-Z]+)/.exec(stdout)?.[1];
  if (code !== 0 || rcode === undefined) throw new Error(`no answer for ${name} ${type}: ${stdout}${stderr}`);
  const flagWords = /flags: ([a-z ]+);/.exec(stdout)?.[1] ?? '';
  const section = /;; ANSWER SECTION:\n((?:[^\n;].*\n)+)/.exec(stdout)?.[1] ?? '';
  const answer = section.split('\n').filter((line) => line !== '');
  return {
    rcode,
    flags: new Set(flagWords.split(' ')),
    answer: answer.map((line) => line.replace(/\s+/g, ' ')),
  };
}

/**
 * The resolver's verdict: AD is secure; an answer without AD is insecure; SERVFAIL that turns into an answer
 * with CD (checking disabled) is bogus, as the data is there and only its proof failed.
 */
export async function verdict(question: Question): Promise<Verdict> {
  const checked = await answers(question, '+adflag', '+dnssec');
  if (checked.rcode !== 'SERVFAIL') {
    const records = checked.answer.filter((record) => record.split(' ')[3] === question.type).length;
    return { status: checked.flags.has('ad') ? 'secure' : 'insecure', rcode: checked.rcode, records };
  }
  const unchecked = await answers(question, '+cdflag', '+dnssec');
  if (unchecked.rcode === 'SERVFAIL')
    throw new Error(`${question.name} ${question.type}: SERVFAIL, even unchecked`);
  return { status: 'bogus', rcode: 'SERVFAIL', records: 0 };
}
