/** Loads a config by recipe name or file; the environment and the flags override it. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { anyRecord, type Fields, requireArgument, requireFields, text } from '../arguments.js';
import { ConfigError } from '../errors.js';
import { nearest } from '../nearest.js';
import { recipes } from '../recipes/index.js';
import type { Source } from './alias.js';
import { isPlainObject, isSettings, type Layer } from './layer.js';
import { parseSources, type RunConfig } from './parse.js';
import { readJson, readToml, readYaml } from './read-file.js';
import { Written } from './written.js';

/** The sources of a run's config; flags override the environment, which overrides the file or recipe. */
export interface ConfigSource {
  /** A recipe's name or a file: .ts .mts .js .mjs .cjs .yaml .yml .toml .json. */
  readonly source?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Nested by dots: `--optimizer.learningRate 1e-4` is `{ optimizer: { learningRate: 1e-4 } }`. */
  readonly flags?: Layer;
}

const sourceFields: Fields<ConfigSource> = { source: text, environment: anyRecord, flags: anyRecord };

/** Settings that belong to a machine or a repetition rather than to the experiment. */
const environmentKeys = {
  EXIT_RL_MODEL: 'model',
  EXIT_RL_SEED: 'seed',
  EXIT_RL_DEVICE: 'device',
  EXIT_RL_DTYPE: 'dtype',
  EXIT_RL_THREADS: 'threads',
} as const;

/** The settings that a script passes as flags. */
const flagSource = (layer: Layer): Source => ({ layer, label: 'flags', typed: new Map() });

/** No setting. */
export const noFlags: Source = flagSource({});

const moduleExtensions = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/** The settings of the environment. An empty variable counts as absent. */
function environmentSource(environment: Readonly<Record<string, string | undefined>>): Source {
  const given = Object.entries(environmentKeys).filter(([variable]) => (environment[variable] ?? '') !== '');
  const layer = given.map(([variable, key]) => [key, new Written([environment[variable] ?? ''])] as const);
  return { layer: Object.fromEntries(layer), typed: new Map(given.map(([variable, key]) => [key, variable])) };
}

const noDefault = 'the module has no default export; write `export default { … }`';

async function importModule(file: string): Promise<unknown> {
  const { createJiti } = await import('jiti');
  const module = await createJiti(import.meta.url).import<Layer>(file);
  if (isPlainObject(module) && !('default' in module)) throw new Error(noDefault);
  const exported = isPlainObject(module) ? module.default : module;
  return typeof exported === 'function' ? exported() : exported;
}

/** Largest config file, in bytes: YAML's check for double keys takes time quadratic in their number. */
const largestBytes = 64 * 1024;

async function parseFile(file: string, extension: string): Promise<unknown> {
  if (moduleExtensions.has(extension)) return importModule(file);
  const { size } = await stat(file);
  if (size > largestBytes) throw new Error(`it has ${size} bytes; a config has at most ${largestBytes}`);
  const text = await readFile(file, 'utf8');
  if (extension === '.json') return readJson(text);
  return extension === '.toml' ? readToml(text) : readYaml(text);
}

function fileProblem(file: string, message: string, hint?: string): ConfigError {
  return new ConfigError([hint === undefined ? { key: 'config', message } : { key: 'config', message, hint }], file);
}

const readable = [...moduleExtensions, '.yaml', '.yml', '.toml', '.json'];

/** @throws ConfigError when the file is missing, cannot be parsed, or holds no object. */
async function readConfigFile(file: string): Promise<Layer> {
  const extension = extname(file).toLowerCase();
  if (!readable.includes(extension)) {
    const recipe = nearest(file, Object.keys(recipes));
    const hint = recipe === undefined ? `recipes: ${Object.keys(recipes).join(', ')}` : `did you mean \`${recipe}\`?`;
    throw fileProblem(file, `is neither a recipe nor a config file (${readable.join(' ')})`, hint);
  }
  const parsed = await parseFile(resolve(file), extension).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw fileProblem(file, 'no such file', 'check the path');
    throw fileProblem(file, `cannot be read: ${error.message.split('\n')[0]}`);
  });
  // A bare number or word is `Written`, an object that holds no settings.
  if (!isSettings(parsed)) throw fileProblem(file, 'holds no settings', 'a config is an object of settings');
  return parsed;
}

function recipeSource(name: string, file?: string): Source {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (recipe !== undefined) return { layer: { ...recipe(), recipe: name }, label: `recipe ${name}` };
  const suggestion = nearest(name, Object.keys(recipes));
  const message = `there is no recipe \`${name}\`; choose one of ${Object.keys(recipes).join(', ')}`;
  const problem = { key: 'recipe', message };
  throw new ConfigError([suggestion ? { ...problem, hint: `did you mean \`${suggestion}\`?` } : problem], file);
}

/** The name of the recipe that a layer starts from. */
function recipeOf({ recipe }: Layer): string | undefined {
  const name = recipe instanceof Written ? recipe.words[0] : recipe;
  return typeof name === 'string' ? name : undefined;
}

/** Loads the settings of a recipe name or file, lowest first; a file may name the recipe that it starts from. */
async function loadSource(source: string): Promise<Source[]> {
  if (Object.hasOwn(recipes, source)) return [recipeSource(source)];
  const layer = await readConfigFile(source);
  const recipe = recipeOf(layer);
  return [...(recipe === undefined ? [] : [recipeSource(recipe, source)]), { layer, label: source }];
}

/** Settings of the environment and of flags, which override a file. */
export interface Changes {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly flags: Source;
}

/** Loads a config as `loadConfig` does, with flags that keep what the user typed. @throws ConfigError */
export async function loadSources(
  source: string | undefined,
  { environment = {}, flags }: Changes,
): Promise<RunConfig> {
  const loaded = source === undefined ? [] : await loadSource(source);
  const named = source === undefined ? recipeOf(flags.layer) : undefined;
  const recipe = named === undefined ? [] : [recipeSource(named)];
  return parseSources([...loaded, ...recipe, environmentSource(environment), flags]);
}

/** Loads the config of a run folder as `loadRunConfig` does, with flags that keep what the user typed. @throws ConfigError */
export async function loadRunSources(path: string, { environment = {}, flags }: Changes): Promise<RunConfig> {
  const run = /^checkpoint-\d+$/.test(basename(path)) ? dirname(path) : path;
  const file = join(run, 'config.json');
  const saved = { layer: await readConfigFile(file), label: file };
  return parseSources([saved, environmentSource(environment), flags]);
}

/**
 * Loads the complete configuration of a run. Flags override the environment, which overrides the file, which overrides the
 * recipe.
 *
 * @throws ConfigError with every problem found, InvalidRequestError for an unknown source.
 * @example
 * import { loadConfig } from 'exit-rl';
 *
 * const config = await loadConfig({ source: 'code-breaker', environment: process.env, flags: { updates: 50 } });
 * console.log(config.updates, config.model);
 */
export async function loadConfig(options: ConfigSource): Promise<RunConfig> {
  requireFields<ConfigSource>('loadConfig', options, sourceFields);
  const { source, environment = {}, flags = {} } = options;
  return loadSources(source, { environment, flags: flagSource(flags) });
}

type RunChanges = Pick<ConfigSource, 'environment' | 'flags'>;

const { source: _, ...changeFields } = sourceFields;

/**
 * Loads the config of a run folder, or of one of its checkpoints; `environment` and `flags` override it.
 *
 * @throws ConfigError when the folder holds no config.json, or a change is wrong.
 * @example
 * import { shippedModel, trainRun } from 'exit-rl';
 * import { loadRunConfig } from 'exit-rl/config';
 *
 * const small = { task: 'code-breaker', model: shippedModel('tiny'), method: 'grpo', updates: 1 } as const;
 * const { path } = await trainRun(small, { evaluate: false, warn: () => {} });
 * console.log((await loadRunConfig(path, { flags: { updates: 2 } })).updates); // 2
 */
export async function loadRunConfig(path: string, changes: RunChanges): Promise<RunConfig> {
  requireArgument('loadRunConfig', { path }, text);
  requireFields<RunChanges>('loadRunConfig', changes, changeFields);
  const { environment = {}, flags = {} } = changes;
  return loadRunSources(path, { environment, flags: flagSource(flags) });
}
