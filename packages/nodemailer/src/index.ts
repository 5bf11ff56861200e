/** @danelaw/nodemailer: a Nodemailer transport that delivers direct to MX under DANE. */
export type { DanelawMailError, MailErrorCode } from './mail-error.js';
export type { DanelawSentMessageInfo } from './sent-message.js';
export { DanelawTransport, type DanelawTransportOptions, danelawTransport } from './transport.js';
