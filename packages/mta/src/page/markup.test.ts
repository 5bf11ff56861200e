import { describe, expect, it } from 'vitest';
import { html, NOTHING } from './markup.js';

describe('markup', () => {
  it.each([
    ['an element is text', '<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['quotes can not end an attribute', `" onload='x`, '&quot; onload=&#39;x'],
    ['an entity is text', '&lt;', '&amp;lt;'],
    ['a bidirectional control is shown', 'a\u202eb', 'a\\u{202e}b'],
    ['an escape sequence is shown', '\x1b[31m', '\\x1b[31m'],
    ['letters of any script stay', 'Grüße 例え', 'Grüße 例え'],
  ])('%s', (_, text, expected) => {
    expect(String(html`<b title="${text}">${text}</b>`)).toBe(`<b title="${expected}">${expected}</b>`);
  });

  it('takes what another template made as it is, in lists too', () => {
    const rows = ['<1>', '<2>'].map((each) => html`<li>${each}</li>`);
    expect(String(html`<ul>${rows}</ul>`)).toBe('<ul><li>&lt;1&gt;</li><li>&lt;2&gt;</li></ul>');
  });

  it('makes nothing of what is not there', () => {
    expect(String(html`${undefined}${false}${NOTHING}${0}`)).toBe('0');
  });
});
