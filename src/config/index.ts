/**
 * `exit-rl/config`: loads the configuration of a run, from objects, files, recipes, environment and flags.
 */

export { type ConfigInput, defineConfig, type TrlOptions } from './define.js';
export { type ConfigSource, loadConfig, loadRunConfig } from './load-config.js';
export { parseConfig } from './parse.js';
export type { RunConfig, RunConfigInput } from './schema.js';
