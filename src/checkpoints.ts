/**
 * `exit-rl/checkpoints`: opens run folders, and finds and verifies their checkpoints.
 */
export { type FoundCheckpoint, listCheckpoints } from './disk/checkpoint-folders.js';
export { verifyCheckpoint } from './disk/manifest.js';
export { bestCheckpoint, latestCheckpoint } from './run/checkpoint.js';
export { type OpenRunOptions, openRun, type Run } from './run/run.js';
