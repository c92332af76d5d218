/**
 * Parses the configuration of a run by one schema, which holds all defaults, and reports every problem before any model
 * loads. Flags override the environment, which overrides the file, which overrides the recipe.
 */

import { ConfigError, type ConfigProblem } from '../errors.js';
import type { Source } from './alias.js';
import { aliases } from './aliases.js';
import type { ConfigInput } from './define.js';
import { isPlainObject, type Layer, layerProblem, mergeLayers } from './layer.js';
import { nameOrigin, Origins } from './origins.js';
import { listProblems } from './problems.js';
import { resolveSources } from './resolve.js';
import { type RunConfig, rewardedRunSchema, runSchema } from './schema.js';
import { settleKinds } from './unions.js';

export type { RunConfig, RunConfigInput } from './schema.js';

interface ParseOptions {
  /** true: a script passes reward functions beside the config. */
  readonly hasRewards?: boolean;
}

/** Merges plain layers, lowest first, and checks the result. @throws ConfigError with every problem found. */
export function parseLayers(layers: readonly Layer[], file?: string, options: ParseOptions = {}): RunConfig {
  const named = (layer: Layer): Source => (file === undefined ? { layer } : { layer, label: file });
  return parseSources(layers.map(named), options);
}

/** Merges the settings of all sources, lowest first, and checks the result. @throws ConfigError with every problem found. */
export function parseSources(sources: readonly Source[], { hasRewards = false }: ParseOptions = {}): RunConfig {
  requireLayers(sources);
  const problems: ConfigProblem[] = [];
  const resolved = resolveSources(sources, (rank, found) => {
    problems.push(...found.map((problem) => withSource(problem, sources[rank])));
  });
  const origins = new Origins(resolved);
  const input = resolved.map(({ layer }) => layer).reduce(mergeLayers, {});
  const mixed: ConfigProblem[] = [];
  settleKinds(input, mixed, origins);
  const parsed = (hasRewards ? rewardedRunSchema : runSchema).safeParse(input);
  if (!parsed.success) mixed.push(...listProblems(parsed.error, input));
  // The key of a name that could not be translated is not missing.
  const named = new Set(problems.map(({ key }) => aliases()[key]?.to));
  problems.push(...mixed.filter(({ key }) => !named.has(key)).map((problem) => origins.name(problem)));
  if (!parsed.success || problems.length > 0) throw configError(problems, sources);
  return parsed.data;
}

function withSource(problem: ConfigProblem, source: Source | undefined): ConfigProblem {
  const origin = source && nameOrigin(source, problem.key, problem.key);
  return origin === undefined ? problem : { ...problem, source: origin };
}

function requireLayers(sources: readonly Source[]): void {
  for (const source of sources) {
    const problem = layerProblem(source.layer);
    if (problem !== undefined) throw configError([withSource(problem, source)], sources);
  }
}

/** The file of a config is the subject of the message where all problems are its own. */
function configError(problems: readonly ConfigProblem[], sources: readonly Source[]): ConfigError {
  const [file] = sources.flatMap(({ label, typed }) => (label === undefined || typed ? [] : [label])).slice(-1);
  const isOfFile = ({ source }: ConfigProblem): boolean =>
    source === undefined || source === file || source.startsWith(`${file}: `);
  return new ConfigError(problems, problems.every(isOfFile) ? file : undefined);
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
