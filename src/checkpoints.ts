/**
 * `exit-rl/checkpoints`: finding and verifying the checkpoints of a run folder, and merging adapters.
 */
export { type MergeRequest, mergeAdapter } from './policy/lora.js';
export { bestCheckpoint, latestCheckpoint } from './run/checkpoint.js';
export { verifyCheckpoint } from './run/manifest.js';
