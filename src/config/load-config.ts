/** Loads a config by recipe name or file; the environment and the flags override it. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { anyRecord, type Fields, requireArgument, requireFields, text } from '../arguments.js';
import { ConfigError } from '../errors.js';
import { nearest } from '../nearest.js';
import { recipes } from '../recipes/index.js';
import { isPlainObject, type Layer } from './layer.js';
import { parseLayers, type RunConfig } from './parse.js';

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

const moduleExtensions = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

function toNumberIfNumeric(text: string): string | number {
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function environmentLayer(environment: Readonly<Record<string, string | undefined>>): Layer {
  const layer: Layer = {};
  for (const [variable, key] of Object.entries(environmentKeys)) {
    const value = environment[variable];
    if (value !== undefined && value !== '') layer[key] = key === 'model' ? value : toNumberIfNumeric(value);
  }
  return layer;
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
  if (extension === '.json') return JSON.parse(text);
  if (extension === '.toml') return (await import('smol-toml')).parse(text);
  return (await import('yaml')).parse(text);
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
  if (!isPlainObject(parsed)) throw fileProblem(file, 'holds no settings', 'a config is an object of settings');
  return parsed;
}

async function recipeLayer(name: string, file?: string): Promise<Layer> {
  const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (recipe !== undefined) return { ...recipe(), recipe: name };
  const suggestion = nearest(name, Object.keys(recipes));
  const message = `there is no recipe \`${name}\`; choose one of ${Object.keys(recipes).join(', ')}`;
  const problem = { key: 'recipe', message };
  throw new ConfigError([suggestion ? { ...problem, hint: `did you mean \`${suggestion}\`?` } : problem], file);
}

/** Loads the layers of a recipe name or file, lowest first; a file may name the recipe that it starts from. */
async function sourceLayers(source: string): Promise<Layer[]> {
  if (Object.hasOwn(recipes, source)) return [await recipeLayer(source)];
  const layer = await readConfigFile(source);
  const recipe = layer.recipe;
  return typeof recipe === 'string' ? [await recipeLayer(recipe, source), layer] : [layer];
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
  const layers = source === undefined ? [] : await sourceLayers(source);
  const named = flags.recipe;
  if (typeof named === 'string' && source === undefined) layers.push(await recipeLayer(named));
  const isFile = source !== undefined && !Object.hasOwn(recipes, source);
  return parseLayers([...layers, environmentLayer(environment), flags], isFile ? source : undefined);
}

type Changes = Pick<ConfigSource, 'environment' | 'flags'>;

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
export async function loadRunConfig(path: string, changes: Changes): Promise<RunConfig> {
  requireArgument('loadRunConfig', { path }, text);
  requireFields<Changes>('loadRunConfig', changes, changeFields);
  const { environment = {}, flags = {} } = changes;
  const run = /^checkpoint-\d+$/.test(basename(path)) ? dirname(path) : path;
  const file = join(run, 'config.json');
  return parseLayers([await readConfigFile(file), environmentLayer(environment), flags], file);
}
