/** A summary as a person reads it. */
import { printable } from '../cli/printable.js';
import { hanging, type Paint, type Palette } from '../cli/terminal.js';
import { reasonWords, SURVEY_STATUSES, type SurveyStatus } from './survey-result.js';
import type { SurveySummary } from './survey-summary.js';

export const STATUS_WORDS: Readonly<Record<SurveyStatus, string>> = {
  dane: 'protected: signed MX records, and usable TLSA records for every host',
  partial: 'in part: some hosts, or hosts that unsigned MX records name',
  none: 'not protected by DANE',
  broken: "broken: senders with DANE keep mail back, or can't authenticate",
  'no-mail': 'no mail: no such domain, or it takes none',
  unclear: 'unclear: could not be found out now',
};

export function describeSummary(summary: SurveySummary, palette: Palette, width: number): string[] {
  const { domains, status, reasons, records, providers, sts, tlsrpt } = summary;
  const share = (count: number): string => percent(count, domains);
  const lines = [palette.strong(`${domains.toLocaleString('en')} domains`), ''];
  for (const each of SURVEY_STATUSES) {
    const row = `  ${each.padEnd(9)}${number(status[each])}${share(status[each])}  `;
    const [first = '', ...rest] = hanging(row, STATUS_WORDS[each], width);
    lines.push(first.replace(each, paintOf(each, palette)(each)), ...rest);
  }
  lines.push('', `  MTA-STS  ${number(sts)}${share(sts)}`, `  TLSRPT   ${number(tlsrpt)}${share(tlsrpt)}`);
  if (reasons.length > 0) {
    lines.push('', palette.strong('Why'));
    for (const { reason, domains: count } of reasons) {
      lines.push(...hanging(`  ${number(count)}  `, reasonWords(reason), width));
    }
  }
  if (records.length > 0) {
    lines.push('', palette.strong('TLSA records in use (usage, selector, matching type), by domains'));
    for (const { parameters, domains: count } of records) {
      lines.push(`  ${number(count)}  ${printable(parameters)}`);
    }
  }
  if (providers.length > 0) {
    lines.push('', palette.strong('Whose servers, by domains: all, protected, broken'));
    for (const { provider, domains: all, dane, broken } of providers) {
      lines.push(`  ${number(all)}${number(dane)}${number(broken)}  ${printable(provider)}`);
    }
  }
  return lines;
}

const number = (count: number): string => count.toLocaleString('en').padStart(9);

function percent(part: number, whole: number): string {
  return whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`.padStart(9);
}

function paintOf(status: SurveyStatus, palette: Palette): Paint {
  switch (status) {
    case 'dane':
      return palette.good;
    case 'broken':
      return palette.bad;
    case 'partial':
    case 'unclear':
      return palette.warn;
    case 'none':
    case 'no-mail':
      return palette.faint;
    default: {
      const never: never = status;
      return never;
    }
  }
}
