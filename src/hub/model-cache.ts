/** The hub's cache on this machine, in the layout and at the place of huggingface_hub. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HubError } from '../errors.js';
import { packageRoot } from '../libtorch.js';
import { cacheFolder, type Environment } from './environment.js';

/** A model on the hub: `owner/name`, at a branch, tag or commit. */
export interface HubModel {
  /** `owner/name`. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** The folder of one model in the cache. */
export const repositoryFolder = (environment: Environment, { name }: HubModel): string =>
  join(cacheFolder(environment), `models--${name.replaceAll('/', '--')}`);

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

/** The files that tell that a snapshot is a model, or an adapter. */
const configs = ['config.json', 'adapter_config.json'];

/** The folder of a model that was fetched; undefined when it was not. */
export function cachedFolder(environment: Environment, model: HubModel): string | undefined {
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
  return snapshot !== undefined && configs.some((name) => existsSync(join(snapshot, name))) ? snapshot : undefined;
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
