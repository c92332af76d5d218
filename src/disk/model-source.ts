/**
 * One reading of what names a model, for every command and every call: a model folder, a run folder (its latest
 * checkpoint), a checkpoint, an adapter folder of PEFT (its base with the adapter), or `owner/name` of a fetched model.
 */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError, ModelFolderError, RunFolderError } from '../errors.js';
import type { Environment } from '../hub/environment.js';
import { modelFolder } from '../hub/model-cache.js';
import { listCheckpoints, splitRunPath } from './checkpoint-folders.js';
import { realDisk } from './disk.js';
import { type FolderKind, folderKind } from './folder-kind.js';
import { foreignFolder } from './foreign.js';
import { verifyCheckpoint } from './manifest.js';

/** Where the parts of a named model lie. */
export interface ModelSource {
  /** Folder of the weights, the tokenizer and config.json. */
  readonly folder: string;
  /** PEFT folder of an adapter for these weights. */
  readonly adapter?: string;
  /** Folder of the chat template, where it is not that of the weights. */
  readonly chatFolder?: string;
  /** The run folder, where the name is that of a run or of one of its checkpoints. */
  readonly run?: string;
}

/** A folder that cannot be listed is left to the engine, which names the file that it cannot read. */
const kindOf = (path: string): Promise<FolderKind> => folderKind(path).catch(() => 'other');

/**
 * Returns the folder of a run's latest checkpoint, verified.
 * @throws RunFolderError when the run holds no checkpoint, CheckpointCorruptError when the latest one is damaged.
 */
async function latestCheckpointFolder(run: string): Promise<string> {
  const [latest] = await listCheckpoints(run);
  if (latest === undefined) throw new RunFolderError(`${run}: holds no checkpoint; train it first`, { run });
  await verifyCheckpoint(latest.folder);
  return latest.folder;
}

const badAdapter = (adapter: string, reason: string): ModelFolderError => {
  const file = join(adapter, 'adapter_config.json');
  return new ModelFolderError('MODEL_FILE', `\`${file}\`: ${reason}`, { file, reason });
};

/** PEFT writes a kilobyte; more than this is an accident or an attack. */
const mostBytes = 16 * 2 ** 20;

/** The base that an adapter's config names: a folder, or `owner/name` with the revision that it was trained on. */
async function namedBase(adapter: string): Promise<string> {
  const file = join(adapter, 'adapter_config.json');
  const size = await realDisk.size(file);
  // A pipe that nobody writes to is refused, not waited for.
  if (size === undefined || size > mostBytes) throw badAdapter(adapter, `it is no file of at most ${mostBytes} bytes`);
  const text = await readFile(file, 'utf8');
  let config: { base_model_name_or_path?: unknown; revision?: unknown } | null;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw badAdapter(adapter, `it is not JSON (${(error as Error).message})`);
  }
  const { base_model_name_or_path: base, revision } = config ?? {};
  if (typeof base !== 'string' || base === '')
    throw badAdapter(
      adapter,
      '`base_model_name_or_path` names no base model; name the base as model and this folder as adapter',
    );
  return typeof revision === 'string' && !existsSync(base) ? `${base}@${revision}` : base;
}

/** A folder that a name leads to, before the base of an adapter is looked for. */
interface Located {
  readonly folder: string;
  readonly isAdapter: boolean;
  readonly run?: string;
}

/** Whether an adapter is among the files of a checkpoint of ours, which then holds no whole model. */
const holdsAdapter = (checkpoint: string): boolean => readdirSync(checkpoint).includes('adapter_config.json');

/** @throws RunFolderError for the output of another trainer without a model of its own. */
async function refuseForeign(path: string): Promise<void> {
  const names = await realDisk.list(path).catch(() => [] as readonly string[]);
  if (names.includes('config.json')) return;
  const foreign = await foreignFolder(realDisk, path);
  if (foreign !== undefined) throw foreign;
}

async function locate(named: string, environment: Environment): Promise<Located> {
  const path = modelFolder(named, environment);
  const kind = await kindOf(path);
  if (kind === 'run') {
    const folder = await latestCheckpointFolder(path);
    return { folder, isAdapter: holdsAdapter(folder), run: path };
  }
  if (kind === 'other') await refuseForeign(path);
  if (kind !== 'checkpoint') return { folder: path, isAdapter: kind === 'adapter' };
  const { run, named: checkpoint } = splitRunPath(path);
  const isOfRun = checkpoint !== undefined && (await kindOf(run)) === 'run';
  return { folder: path, isAdapter: holdsAdapter(path), ...(isOfRun && { run }) };
}

async function baseOf(adapter: string, environment: Environment): Promise<string> {
  const base = await namedBase(adapter);
  const fix = 'name the base as model and this folder as adapter';
  const named = `its base model \`${base}\` (base_model_name_or_path)`;
  const located = await locate(base, environment).catch((error: unknown) => {
    if (!HubError.isInstance(error)) throw error;
    throw badAdapter(adapter, `${named} is not on this machine: ${error.message}, or ${fix}`);
  });
  if (located.isAdapter) throw badAdapter(adapter, `${named} is an adapter itself; merge that one first`);
  const kind = await kindOf(located.folder);
  if (kind !== 'missing' && kind !== 'file') return located.folder;
  throw badAdapter(adapter, `${named} is not a model folder on this machine; ${fix}`);
}

const chatFiles = /^(tokenizer_config\.json|chat_template\.(jinja|json))$/;

async function resolve(named: string, environment: Environment): Promise<ModelSource> {
  const { folder, isAdapter, run } = await locate(named, environment);
  const ofRun = run === undefined ? {} : { run };
  if (!isAdapter) return { folder, ...ofRun };
  const hasChat = readdirSync(folder).some((name) => chatFiles.test(name));
  const base = await baseOf(folder, environment);
  return { folder: base, adapter: folder, ...(hasChat && { chatFolder: folder }), ...ofRun };
}

/** The adapter folder that a name means: the folder, a run's latest checkpoint, or that of a fetched `owner/name`. */
async function adapterFolder(named: string, environment: Environment): Promise<string> {
  const path = modelFolder(named, environment);
  return (await kindOf(path)) === 'run' ? latestCheckpointFolder(path) : path;
}

/**
 * Finds the folders of a model: those that `named` means, with the adapter that the caller gives.
 * @throws HubError for a name that was not fetched, RunFolderError for a run without checkpoint and for another trainer's
 * output, CheckpointCorruptError for a damaged latest checkpoint, ModelFolderError for an adapter whose base is not on this
 * machine, and for two adapters.
 */
export async function findModel(
  named: string,
  given?: string,
  environment: Environment = process.env,
): Promise<ModelSource> {
  const source = await resolve(named, environment);
  if (given === undefined) return source;
  if (source.adapter !== undefined) {
    const reason = `the model \`${named}\` is an adapter already, so \`${given}\` cannot be added to it; name the base as model, or merge one of them first`;
    throw new ModelFolderError('MODEL_FILE', reason, { file: source.adapter, reason });
  }
  return { ...source, adapter: await adapterFolder(given, environment) };
}
