/**
 * Help text as it stands in the source, with the lines of each paragraph joined: commander breaks them to the
 * terminal.
 */
export function prose(text: string): string {
  return text.replace(/(\S)\n(?=\S)/g, '$1 ');
}
