/** danelaw: the parts of the program that others can use. */
export { Dkim, type DkimKey } from './dkim/dkim.js';
export type { Sent } from './tlsrpt/post.js';
export { isTlsReport, type ReportMail } from './tlsrpt/report-mail.js';
export type { ReportEvent } from './tlsrpt/reporter.js';
export { submitNow } from './tlsrpt/submit-now.js';
export { type CountOptions, TlsReports, type TlsReportsOptions } from './tlsrpt/tls-reports.js';
