/** Lines of a stream of text, whatever it comes in; its errors reach whoever reads. */

/** Characters. What is longer is cut: no line that is meant to be read is. */
const MAX_LINE = 1_000_000;

export async function* linesOf(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const text = rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }));
    const lines = text.split('\n');
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) yield line.replace(/\r$/u, '');
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}
