/** `danelaw tlsrpt show`: what others report about our domain, in words. */
import type { DomainSummary, Problem } from '../tlsrpt/causes.js';
import { summarize } from '../tlsrpt/causes.js';
import { findReports } from '../tlsrpt/report-input.js';
import { type ReadReport, ReportError, readReport } from '../tlsrpt/report-reader.js';
import { CommandError, EXIT, type ExitCode } from './exit.js';
import { readMessageInput } from './message-input.js';
import { printable, printableJson, printableWithin } from './printable.js';
import { hanging, type Io, type Palette, paletteFor, widthOf } from './terminal.js';

/** Places of one problem that are listed; `--json` has all of them. */
const MAX_PLACES = 10;
/** Characters of a reason or a name that is shown. */
const MAX_SHOWN = 200;

export async function show(
  files: readonly string[],
  options: { readonly json?: true },
  io: Io,
): Promise<ExitCode> {
  const reports: (ReadReport & { readonly file: string })[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    for (const report of await readFrom(file, io)) {
      // Section 5.3: the id is there "to identify and ignore duplicate reports".
      const id = JSON.stringify([report.organization, report.contact, report.reportId]);
      const isAgain = report.reportId !== '' && seen.has(id);
      seen.add(id);
      if (isAgain) io.stderr.write(`danelaw: ${printable(file)}: the same report again; it counts once\n`);
      else reports.push({ file, ...report });
    }
  }
  const domains = summarize(reports);
  if (options.json) {
    io.stdout.write(`${printableJson({ domains, reports })}\n`);
    return EXIT.OK;
  }
  const paint = paletteFor(io.stdout, io.env);
  const width = widthOf(io.stdout);
  const lines = [
    ...reports.flatMap((report) => describeReport(report, paint, width)),
    ...domains.flatMap((domain) => ['', ...describeDomain(domain, paint, width)]),
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.OK;
}

async function readFrom(file: string, io: Io): Promise<ReadReport[]> {
  const octets = await readMessageInput(file, io);
  try {
    const { reports, notes } = await findReports(octets);
    return reports.map((report) => {
      const read = readReport(report);
      return { ...read, notes: [...notes, ...read.notes] };
    });
  } catch (error) {
    if (error instanceof ReportError) throw new CommandError(EXIT.DATA, `${file}: ${error.message}`);
    throw error;
  }
}

function describeReport(report: ReadReport, paint: Palette, width: number): string[] {
  const { organization, contact, start, end, reportId, notes } = report;
  const by = `${shown(organization)}${contact === '' ? '' : ` (${shown(contact)})`}`;
  const day = (text: string) => shown(text.slice(0, 10));
  const range = day(start) === day(end) ? day(start) : `${day(start)} to ${day(end)}`;
  return [
    ...hanging('Report of ', `${by} for ${range}, ${shown(reportId)}`, width),
    ...notes.flatMap((note) => hanging('  note: ', printable(note), width)).map(paint.warn),
  ];
}

function describeDomain(summary: DomainSummary, paint: Palette, width: number): string[] {
  const { domain, successful, failed, reporters, problems } = summary;
  const counts = `${sessions(successful)} in order, ${sessions(failed)} failed`;
  const heading = `${paint.strong(shown(domain))}: ${counts}, as ${reporters.map(shown).join(', ')} saw it`;
  if (problems.length === 0) {
    const words = failed === 0 ? 'Nothing is wrong.' : 'The report does not say why sessions failed.';
    return [heading, ...hanging('  ', words, width).map(failed === 0 ? paint.good : paint.warn)];
  }
  return [heading, ...problems.flatMap((problem) => ['', ...describeProblem(problem, domain, paint, width)])];
}

function describeProblem(problem: Problem, domain: string, paint: Palette, width: number): string[] {
  const { cause, resultType, policyTypes, places } = problem;
  const policies = policyTypes.map(policyWords).join(', ');
  const title = `${cause.title}: ${sessions(problem.sessions)} (${shown(resultType)}, ${policies})`;
  const more = places.length - MAX_PLACES;
  return [
    ...hanging('  ', title, width).map(paint.bad),
    ...places.slice(0, MAX_PLACES).flatMap((place) => {
      const host = place.host === null ? 'no server named' : shown(place.host);
      const address = place.address === null ? '' : ` [${shown(place.address)}]`;
      const reason = place.reason === null ? '' : `: ${shown(place.reason)}`;
      return hanging('    at ', `${host}${address}, ${sessions(place.sessions)}${reason}`, width);
    }),
    ...(more > 0 ? [`    and ${more} more`] : []),
    ...hanging('    What to do: ', cause.remedy.replaceAll('DOMAIN', shown(domain)), width),
    `    ${paint.faint(cause.section)}`,
  ];
}

function policyWords(type: string): string {
  switch (type) {
    case 'tlsa':
      return 'by your TLSA records';
    case 'sts':
      return 'by your MTA-STS policy';
    case 'no-policy-found':
      return 'no policy was found';
    default:
      return `by a policy of the type "${shown(type)}"`;
  }
}

const sessions = (count: number): string => (count === 1 ? '1 session' : `${count} sessions`);
const shown = (text: string): string => printableWithin(text, MAX_SHOWN);
