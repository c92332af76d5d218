/**
 * `exit-rl/report`: the page of a run, and the live table of a terminal.
 */
export { type ReportOptions, writeReport } from './page.js';
export { createProgress, type Progress, type ProgressOptions } from './progress.js';
export type { ProgressState } from './progress-row.js';
