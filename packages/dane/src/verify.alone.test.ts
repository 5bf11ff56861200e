/** What is loaded to verify a certificate. */
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { inputOfNamed } from './testing/vectors.js';
import { verifyCertificate } from './verify.js';

const require = createRequire(import.meta.url);
const decoderIsLoaded = (): boolean => Object.keys(require.cache).some((path) => path.includes('asn1-x509'));
const authenticated = (vector: string): boolean => verifyCertificate(inputOfNamed(vector)).authenticated;

it('loads the decoder of extensions for DANE-TA only', () => {
  expect(authenticated("3 1 1 of the server's certificate matches")).toBe(true);
  expect(authenticated('3 1 1 of another certificate does not match')).toBe(false);
  expect(decoderIsLoaded()).toBe(false);
  expect(authenticated('2 0 1 of the root matches')).toBe(true);
  expect(decoderIsLoaded()).toBe(true);
});
