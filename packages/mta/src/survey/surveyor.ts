/** Who asks about the domains of a survey. */
import type { SurveyResult } from './survey-result.js';

export interface Surveyor {
  /** Rejects only when `signal` aborts, or where the program can't go on. */
  survey(domain: string, signal: AbortSignal): Promise<SurveyResult>;
  close(): Promise<void>;
}
