/** Fetches a model from the hub into the cache and checks every file; the revision's name is written last. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  abortSignal,
  anyRecord,
  callback,
  type Fields,
  listOf,
  positiveNumber,
  required,
  requireFields,
  text,
} from '../arguments.js';
import { HubError } from '../errors.js';
import { cachedModel } from './cached-model.js';
import {
  accessToken,
  cacheFolder,
  type Environment,
  hubEndpoint,
  hubPatience,
  isOffline,
  isOn,
} from './environment.js';
import { hubFailure, isUnreachable } from './hub-failure.js';
import { chooseFiles, type HubAccess, type HubFile, listModel } from './listing.js';
import { type HubModel, repositoryFolder } from './model-cache.js';
import { transferFile } from './transfer.js';

/** How a model is fetched; every key has a default. */
export interface FetchOptions {
  /** Patterns of the files to fetch; none takes weights, configuration, tokenizer and texts. */
  readonly include?: readonly string[];
  /** HF_TOKEN, HF_ENDPOINT, HF_HOME and the other variables of huggingface_hub; default `process.env`. */
  readonly environment?: Environment;
  /**
   * How long the hub may take to answer, or to send the next bytes; by default HF_HUB_ETAG_TIMEOUT and HF_HUB_DOWNLOAD_TIMEOUT,
   * else 20000.
   */
  readonly patienceMilliseconds?: number;
  /** Ends the transfer; what has arrived is resumed by the next call. */
  readonly signal?: AbortSignal;
  /** Called as bytes arrive. */
  readonly onProgress?: (progress: FetchProgress) => void;
}

/** How far a fetch is. */
export interface FetchProgress {
  /** Path of the file that arrives now. */
  readonly file: string;
  /** Bytes on the disk, over all files. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Bytes of this call's own work, for the speed. */
  readonly received: number;
}

/** A model in the cache. */
export interface Fetched {
  /** A Hugging Face folder, for `LocalPolicy.load`. */
  readonly folder: string;
  /** The commit that the revision names. */
  readonly commit: string;
  /** Paths within the folder. */
  readonly files: readonly string[];
  /** Size of the files together. */
  readonly bytes: number;
  /** Why the cache answered instead of the hub; absent where the hub was asked. */
  readonly offline?: string;
}

const modelFields: Fields<HubModel> = { name: required(text), revision: required(text) };

const optionFields: Fields<FetchOptions> = {
  include: listOf(text),
  environment: anyRecord,
  patienceMilliseconds: positiveNumber,
  signal: abortSignal,
  onProgress: callback,
};

/**
 * Fetches a model's files into the Hugging Face cache of this machine: resumed where an earlier call stopped, each file
 * checked against its hash. Without a network, a model that is in the cache is returned from there.
 *
 * @throws HubError, which says what to do; UsageError for patterns that match nothing or pickles; InvalidRequestError for
 * options that are unknown or of the wrong type.
 * @example
 * ```ts no-run
 * import { LocalPolicy } from 'exit-rl';
 * import { fetchModel } from 'exit-rl/hub';
 *
 * const { folder } = await fetchModel({ name: 'HuggingFaceTB/SmolLM2-135M-Instruct', revision: 'main' });
 * const policy = await LocalPolicy.load(folder);
 * await policy.close();
 * ```
 */
export async function fetchModel(model: HubModel, options: FetchOptions = {}): Promise<Fetched> {
  requireFields<HubModel>('fetchModel', model, modelFields);
  requireFields<FetchOptions>('fetchModel', options, optionFields);
  const { environment = process.env } = options;
  const endpoint = hubEndpoint(environment);
  if (isOffline(environment)) return fromCache(model, options, environment);
  const access = hubAccess(options, environment);
  try {
    return await fetchListed(model, options, environment, access);
  } catch (error) {
    if (options.signal?.aborted || (error as { code?: unknown }).code === 'USAGE') throw error;
    const failure = hubFailure(error, model, endpoint, environment);
    const cached = isUnreachable(error) ? cachedModel(environment, model, options.include) : undefined;
    if (cached === undefined) throw failure;
    return { ...cached, offline: failure.message };
  }
}

/** How long the hub may take by default. */
const patience = 20_000;

function hubAccess({ patienceMilliseconds: given }: FetchOptions, environment: Environment): HubAccess {
  const { listing, download } = hubPatience(environment);
  return {
    endpoint: hubEndpoint(environment),
    token: accessToken(environment),
    listingMilliseconds: given ?? listing ?? patience,
    patienceMilliseconds: given ?? download ?? patience,
    copies: isOn(environment.HF_HUB_DISABLE_SYMLINKS),
  };
}

function fromCache(model: HubModel, { include }: FetchOptions, environment: Environment): Fetched {
  const cached = cachedModel(environment, model, include);
  const offline = 'HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, so nothing is fetched';
  if (cached !== undefined) return { ...cached, offline };
  const where = cacheFolder(environment);
  const message = `${offline}, and \`${model.name}\` is not in ${where}: unset it, or copy the model's folder there`;
  throw new HubError(message, { model: model.name });
}

async function fetchListed(
  model: HubModel,
  { include = [], signal, onProgress }: FetchOptions,
  environment: Environment,
  access: HubAccess,
): Promise<Fetched> {
  const { commit, files } = await listModel(model, access);
  const chosen = chooseFiles(files, include, model.name);
  const folder = repositoryFolder(environment, model);
  const report = progressOf(chosen, onProgress);
  for (const file of chosen) {
    const path = file.path.split('/').map(encodeURIComponent).join('/');
    const url = `${access.endpoint}/${model.name}/resolve/${commit}/${path}`;
    const onBytes = report(file);
    await transferFile({ url, file, folder, commit, access, onBytes, ...(signal && { signal }) });
  }
  await writeReference(join(folder, 'refs', model.revision), commit, model.revision);
  const bytes = chosen.reduce((sum, { size }) => sum + size, 0);
  return { folder: join(folder, 'snapshots', commit), commit, files: chosen.map(({ path }) => path), bytes };
}

/** Counts over all files; bytes of an earlier call or of the cache count as present, not as received. */
function progressOf(
  files: readonly HubFile[],
  onProgress: FetchOptions['onProgress'],
): (file: HubFile) => (bytes: number) => void {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let [before, received] = [0, 0];
  return (file) => {
    const start = before;
    before += file.size;
    let last: number | undefined;
    return (bytes) => {
      if (last !== undefined && bytes > last) received += bytes - last;
      last = bytes;
      onProgress?.({ file: file.path, bytes: start + bytes, totalBytes, received });
    };
  };
}

/** Writes the commit that a branch or tag names; a commit needs no such file. */
async function writeReference(file: string, commit: string, revision: string): Promise<void> {
  if (revision === commit) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.${process.pid}`, commit);
  await rename(`${file}.${process.pid}`, file);
}
