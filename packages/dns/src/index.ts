/** @danelaw/dns: asks DNS a question and says how far the answer can be trusted. */
export * from './lookup.js';
export type { RecordData } from './record.js';
