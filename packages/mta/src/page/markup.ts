/**
 * HTML and SVG that can't be broken out of: a template is markup, and whatever is put into it is text.
 *
 *     html`<td title="${reply}">${domain}</td>`
 *
 * Domain names, replies, addresses and reasons come from strangers. Only what another template made goes in as it
 * is; everything else is escaped, and characters that could disguise it (controls, bidirectional marks) are shown
 * as escapes. Attributes have to be quoted in the template.
 */
import { printable } from '../cli/printable.js';

class Safe {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** Made by `html` alone. */
export type Markup = Safe;

/** What may stand in a template. Nothing comes of `undefined` and `false`. */
export type Part = Markup | string | number | false | undefined | readonly Part[];

export function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Safe(literals.reduce((text, literal, index) => text + textOf(parts[index - 1]) + literal));
}

export const NOTHING: Markup = html``;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Safe) return part.toString();
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string') {
    return printable(part).replace(/[&<>"']/gu, (character) => ENTITIES[character] ?? '');
  }
  return part.map(textOf).join('');
}
