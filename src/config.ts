/**
 * Reads the configuration of a run: one schema, one place for defaults, all problems at once, before any model loads.
 * Precedence: recipe < file < environment < flags.
 */
import { resolveAliases } from './config/aliases.js';
import { isPlainObject, type Layer, layerProblem, mergeLayers } from './config/layer.js';
import { listProblems } from './config/problems.js';
import { type RunConfig, type RunConfigInput, runSchema } from './config/schema.js';
import { settleKinds } from './config/unions.js';
import { ConfigError, type ConfigProblem } from './errors.js';

export type { RunConfig, RunConfigInput } from './config/schema.js';

/** Merges layers, lowest first, and checks the result. @throws ConfigError with every problem found. */
export function parseLayers(layers: readonly Layer[], file?: string): RunConfig {
  const unusable = layers.map((layer) => layerProblem(layer)).find((problem) => problem !== undefined);
  if (unusable !== undefined) throw new ConfigError([{ key: 'config', message: unusable }], file);
  const problems: ConfigProblem[] = [];
  const borrowed = new Set<string>();
  const input = layers.map((layer) => resolveAliases(layer, problems, borrowed)).reduce(mergeLayers, {});
  settleKinds(input, problems, borrowed);
  const parsed = runSchema.safeParse(input);
  if (!parsed.success) problems.push(...listProblems(parsed.error, input));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems, file);
  return parsed.data;
}

/**
 * A complete configuration from what the user wrote.
 * @throws ConfigError with every unknown key and wrong value, each with the nearest known name.
 */
export function parseConfig(input: RunConfigInput | Layer, file?: string): RunConfig {
  if (!isPlainObject(input))
    throw new ConfigError([{ key: 'config', message: 'a config is an object of settings' }], file);
  return parseLayers([input], file);
}
