/**
 * `exit-rl/checkpoints`: opens run folders, and finds and verifies their checkpoints.
 */
export { bestCheckpoint, type FoundCheckpoint, latestCheckpoint, listCheckpoints } from './run/checkpoint.js';
export { verifyCheckpoint } from './run/manifest.js';
export { type OpenRunOptions, openRun, type Run } from './run/run.js';
