/** The hub's cache on this machine, in the layout and at the place of huggingface_hub. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HubError } from '../errors.js';
import { packageRoot } from '../libtorch.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A model on the hub: `owner/name`, at a branch, tag or commit. */
export interface HubModel {
  /** `owner/name`. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const homeOf = (environment: Environment): string =>
  environment.HF_HOME || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');

/** The folder of the cache: HF_HUB_CACHE, else `hub` in HF_HOME. */
export function cacheFolder(environment: Environment): string {
  return environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE || join(homeOf(environment), 'hub');
}

/** The folder of one model in the cache. */
export const repositoryFolder = (environment: Environment, { name }: HubModel): string =>
  join(cacheFolder(environment), `models--${name.replaceAll('/', '--')}`);

/** True when HF_HUB_OFFLINE forbids the network. */
export function isOffline(environment: Environment): boolean {
  return /^(1|true|yes|on)$/i.test(environment.HF_HUB_OFFLINE ?? '');
}

/** HF_TOKEN, else the file that `hf auth login` writes. */
export function accessToken(environment: Environment): string | undefined {
  if (environment.HF_TOKEN) return environment.HF_TOKEN.trim();
  try {
    const token = readFileSync(environment.HF_TOKEN_PATH || join(homeOf(environment), 'token'), 'utf8').trim();
    return token === '' ? undefined : token;
  } catch {
    // Public models need none.
    return undefined;
  }
}

const part = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const modelName = new RegExp(`^(${part}/${part})(?:@([^\\s@]+))?$`);

/**
 * The model that a text names as `owner/name` or `owner/name@revision`; undefined when it names none.
 *
 * @example
 * import { hubModel } from 'exit-rl/hub';
 *
 * console.log(hubModel('HuggingFaceTB/SmolLM2-135M-Instruct@main'));
 */
export function hubModel(text: string): HubModel | undefined {
  const [, name, revision = 'main'] = modelName.exec(text) ?? [];
  const safe = name !== undefined && !text.includes('..') && !revision.startsWith('/');
  return safe ? { name, revision } : undefined;
}

const commit = /^[0-9a-f]{40}$/;

/** The folder of a model that was fetched; undefined when it was not. */
function cachedFolder(environment: Environment, model: HubModel): string | undefined {
  const folder = repositoryFolder(environment, model);
  const read = (): string | undefined => {
    try {
      return readFileSync(join(folder, 'refs', model.revision), 'utf8').trim();
    } catch {
      return undefined;
    }
  };
  const sha = commit.test(model.revision) ? model.revision : read();
  const snapshot = sha && commit.test(sha) ? join(folder, 'snapshots', sha) : undefined;
  return snapshot !== undefined && existsSync(join(snapshot, 'config.json')) ? snapshot : undefined;
}

/**
 * The folder of a model: a folder as it is, or the cached folder of `owner/name`. It downloads nothing.
 *
 * @throws HubError when the model is not in the cache; its message names the command that fetches it.
 * @example
 * import { shippedModel } from 'exit-rl';
 * import { modelFolder } from 'exit-rl/hub';
 *
 * console.log(modelFolder(shippedModel('tiny')));
 */
export function modelFolder(nameOrFolder: string, environment: Environment = process.env): string {
  if (existsSync(nameOrFolder)) return nameOrFolder;
  const model = hubModel(nameOrFolder);
  if (model === undefined) return nameOrFolder;
  const cached = cachedFolder(environment, model);
  if (cached !== undefined) return cached;
  const where = cacheFolder(environment);
  const revision = model.revision === 'main' ? '' : ` --revision ${model.revision}`;
  const shipped = join(packageRoot(), nameOrFolder);
  const fix = existsSync(shipped)
    ? `the package holds it: ${shipped}`
    : `run \`exit-rl fetch ${model.name}${revision}\``;
  const message = `model \`${nameOrFolder}\` is not a folder here and not in the cache ${where}; ${fix}`;
  throw new HubError(message, { model: model.name, revision: model.revision, cache: where });
}
