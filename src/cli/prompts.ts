/** What a config's `data`, `verifier` and `rewards` name, loaded: before any model is. */
import { resolve } from 'node:path';
import type { RunConfig } from '../config.js';
import { promptsFamily, type Verifier } from '../data/family.js';
import { type DataSet, loadData } from '../data/load.js';
import { ConfigError } from '../errors.js';
import { IsolatedFunction } from '../reward/isolated.js';
import { moduleFunction } from '../reward/module.js';
import type { TaskFamily } from '../task/task.js';

type DataConfig = NonNullable<RunConfig['data']>;
type VerifierConfig = NonNullable<RunConfig['verifier']>;

/** Paths made independent of the working directory, so that a run can be resumed from anywhere. */
export function resolvePaths(config: RunConfig): RunConfig {
  const { data, verifier, rewards, lora, diversity } = config;
  const { embedder } = diversity;
  return {
    ...config,
    ...(typeof embedder === 'object' && {
      diversity: { ...diversity, embedder: { ...embedder, model: resolve(embedder.model) } },
    }),
    ...(data && {
      data: { ...data, train: data.train.map(absolute), ...(data.test && { test: data.test.map(absolute) }) },
    }),
    ...(lora?.adapter && { lora: { ...lora, adapter: resolve(lora.adapter) } }),
    ...(verifier && { verifier: { ...verifier, file: resolve(verifier.file) } }),
    rewards: rewards.map((entry) => (entry.file === undefined ? entry : { ...entry, file: resolve(entry.file) })),
  };
}

const absolute = (path: string): string => resolve(path);

interface LoadedVerifier {
  readonly verifier: Verifier;
  /** Ends the verifier's thread, which would keep the process alive. */
  close?(): Promise<void>;
}

async function loadVerifier({ file, export: name, timeoutSeconds, isolated }: VerifierConfig): Promise<LoadedVerifier> {
  const source = { file: resolve(file), ...(name !== undefined && { name }) };
  try {
    if (!isolated) return { verifier: (await moduleFunction(source)) as Verifier };
    const thread = new IsolatedFunction({ ...source, timeoutSeconds });
    await thread.start();
    return { verifier: (answer) => thread.call(answer) as ReturnType<Verifier>, close: () => thread.close() };
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new ConfigError([{ key: 'verifier.file', message: `${file}: ${message}` }]);
  }
}

/** @throws DataError when the files cannot be read as rows, ConfigError when the verifier cannot be loaded. */
export async function loadPrompts({
  data,
  verifier,
}: {
  readonly data?: DataConfig | undefined;
  readonly verifier?: VerifierConfig | undefined;
}): Promise<TaskFamily> {
  if (data === undefined) throw new ConfigError([{ key: 'data', message: 'the task `prompts` needs data.train' }]);
  const set: DataSet = await loadData(data);
  const { previousAnswer, templates } = data;
  const options = { data: set, previousAnswer, templates };
  if (verifier === undefined) return promptsFamily(options) as TaskFamily;
  const { verifier: verify, close } = await loadVerifier(verifier);
  return { ...(promptsFamily({ ...options, verifier: verify }) as TaskFamily), ...(close && { close }) };
}
