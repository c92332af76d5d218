/**
 * `exit-rl/report`: writes the report of a run, and prints its live progress in a terminal.
 */
export { type ReportOptions, writeReport } from './page.js';
export { createProgress, type Progress, type ProgressOptions } from './progress.js';
export type { ProgressState } from './progress-row.js';
