/**
 * Parses the configuration of a run by one schema, which holds all defaults, and reports every problem before any model
 * loads. Flags override the environment, which overrides the file, which overrides the recipe.
 */

import { ConfigError, type ConfigProblem } from '../errors.js';
import { resolveAliases } from './aliases.js';
import type { ConfigInput } from './define.js';
import { isPlainObject, type Layer, layerProblem, mergeLayers } from './layer.js';
import { listProblems } from './problems.js';
import { type RunConfig, rewardedRunSchema, runSchema } from './schema.js';
import { settleKinds } from './unions.js';

export type { RunConfig, RunConfigInput } from './schema.js';

/** Merges layers, lowest first, and checks the result. @throws ConfigError with every problem found. */
export function parseLayers(layers: readonly Layer[], file?: string, { hasRewards = false } = {}): RunConfig {
  const unusable = layers.map((layer) => layerProblem(layer)).find((problem) => problem !== undefined);
  if (unusable !== undefined) throw new ConfigError([{ key: 'config', message: unusable }], file);
  const problems: ConfigProblem[] = [];
  const borrowed = new Set<string>();
  const input = layers.map((layer) => resolveAliases(layer, problems, borrowed)).reduce(mergeLayers, {});
  settleKinds(input, problems, borrowed);
  const parsed = (hasRewards ? rewardedRunSchema : runSchema).safeParse(input);
  if (!parsed.success) problems.push(...listProblems(parsed.error, input));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems, file);
  return parsed.data;
}

/**
 * Returns the complete configuration of a run: fills in the defaults, and rewrites TRL's names as ours.
 *
 * @param file names the source in error messages.
 * @throws ConfigError with every unknown key and wrong value, each with the nearest known name.
 * @example
 * import { parseConfig, shippedModel } from 'exit-rl';
 *
 * const config = parseConfig({ task: 'code-breaker', model: shippedModel('tiny'), num_generations: 4 });
 * console.log(config.groupSize, config.method, config.objective.loss);
 */
export function parseConfig(input: ConfigInput, file?: string): RunConfig {
  return parseLayers([requireObject(input, file)], file);
}

/** Parses like `parseConfig`, for a run whose reward functions are passed beside the config. @throws ConfigError */
export function parseRewardedConfig(input: ConfigInput): RunConfig {
  return parseLayers([requireObject(input)], undefined, { hasRewards: true });
}

function requireObject(input: ConfigInput, file?: string): Layer {
  if (isPlainObject(input)) return input;
  throw new ConfigError([{ key: 'config', message: 'a config is an object of settings' }], file);
}
