/** Assembles the parts of a run from its config: the task family, the reward functions and the policy. */

import { resolve } from 'node:path';
import { anyRecord, listOf, required, requireParts, text } from '../arguments.js';
import type { ChatOptions } from '../chat/template.js';
import type { RunConfig } from '../config/parse.js';
import { modelFolder } from '../hub/model-cache.js';
import type { LoraOptions } from '../policy/adapters.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import type { NamedReward } from '../reward/named.js';
import { checkSplits, requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { resolveTask } from './families.js';
import { withNamedModel } from './named-model.js';
import type { Run } from './run.js';

/** The task family and the reward functions of a run. Close them after training. */
export interface RunParts {
  readonly family: TaskFamily;
  /** Empty when the config names only a built-in reward. */
  readonly rewards: readonly NamedReward[];
  /** Ends the threads of reward functions and of the verifier. */
  close(): Promise<void>;
}

const configParts = { task: required(text), rewards: required(listOf(anyRecord)) };

/**
 * Opens the task family and the reward functions of a config; relative paths start at the working directory, time limits
 * are in seconds. `given` overrides the config's family, and the caller closes it. Returns one reward per entry of
 * `config.rewards`, in that order, and none for `reward: quality`.
 * @throws ConfigError for an unknown task, a family with wrong fields or an unusable reward module, TaskError for a split
 * without a list of tasks, DataError for an unreadable data file, InvalidRequestError for a config that `parseConfig` did
 * not complete.
 * @example
 * import { parseConfig, shippedModel } from 'exit-rl';
 * import { openParts } from 'exit-rl/run';
 *
 * const parts = await openParts(parseConfig({ task: 'code-breaker', model: shippedModel('tiny') }));
 * console.log(parts.family.name, parts.family.tasks('train').length, parts.rewards.length);
 * await parts.close();
 */
export async function openParts(config: RunConfig, given?: TaskFamily): Promise<RunParts> {
  requireParts('openParts', config, configParts);
  const [{ findFamily }, { loadRewards }] = await Promise.all([
    import('./families.js'),
    import('../reward/load-rewards.js'),
  ]);
  const splits = ['train', config.evaluation.split];
  if (given !== undefined) checkSplits(requireFamily(given), splits);
  const { functions: rewards, close } = await loadRewards(config.rewards);
  if (given !== undefined) return { family: given, rewards, close };
  try {
    const family = await findFamily(config.task, { ...config, freshSeed: config.seed });
    checkSplits(family, splits);
    const closeAll = async (): Promise<void> => {
      await Promise.all([close(), family.close?.()]);
    };
    return { family, rewards, close: closeAll };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Makes every path of the config absolute, so that a run can be resumed from any working directory, and replaces what names
 * a model by its folder.
 */
export async function resolvePaths(config: RunConfig): Promise<RunConfig> {
  const { data, verifier, rewards, diversity } = config;
  const { embedder } = diversity;
  return {
    ...(await withNamedModel(config)),
    task: resolveTask(config.task),
    ...(typeof embedder === 'object' && {
      diversity: { ...diversity, embedder: { ...embedder, model: resolve(modelFolder(embedder.model)) } },
    }),
    ...(data && {
      data: { ...data, train: data.train.map(absolute), ...(data.test && { test: data.test.map(absolute) }) },
    }),
    ...(verifier && { verifier: { ...verifier, file: resolve(verifier.file) } }),
    rewards: rewards.map((entry) => (entry.file === undefined ? entry : { ...entry, file: resolve(entry.file) })),
  };
}

const absolute = (path: string): string => resolve(path);

/** How to load a policy: device, precision, reference policy and adapter. */
export interface PolicyChoice {
  readonly device: string;
  readonly dtype: RunConfig['dtype'];
  readonly threads: number;
  /** Keeps a reference policy for the KL penalty. */
  readonly reference?: boolean;
  /** PEFT folder of an adapter for the model. */
  readonly adapter?: string;
  readonly lora?: LoraOptions;
  /** False for inference only, which loads no gradients or optimizer states. */
  readonly trainable?: boolean;
  /** Options of the chat template. */
  readonly chat?: ChatOptions;
  readonly optimizer?: { readonly stateDtype?: 'float32' | 'bfloat16' };
}

/**
 * Loads a policy from what names a model.
 * @throws ModelFolderError for an unreadable folder, DeviceError for an absent device.
 */
export async function loadPolicy(model: string, choice: PolicyChoice): Promise<LocalPolicy> {
  const { LocalPolicy: policyClass } = await import('../policy/local-policy.js');
  return policyClass.load(model, { reference: false, ...choice });
}

/** Converts the `chat` section of a config to options, without its undefined keys. */
export function givenChat({ template, date, variables }: RunConfig['chat']): ChatOptions {
  return { variables, ...(template !== undefined && { template }), ...(date !== undefined && { date }) };
}

/**
 * Loads the policy that a run trains: the config's model, or with an open run the checkpoint that it continues.
 *
 * @throws ModelFolderError for an unreadable folder, DeviceError for an absent device.
 * @example
 * import { parseConfig, shippedModel } from 'exit-rl';
 * import { loadRunPolicy } from 'exit-rl/run';
 *
 * const policy = await loadRunPolicy(parseConfig({ task: 'code-breaker', model: shippedModel('tiny'), threads: 1 }));
 * console.log(policy.info().parameters);
 * await policy.close();
 */
export function loadRunPolicy(
  config: RunConfig,
  run: Pick<Run, 'modelFolder' | 'adapterFolder'> = { modelFolder: config.model },
): Promise<LocalPolicy> {
  return loadPolicy(run.modelFolder, trainedChoice(config, run));
}

/** Chooses the weights to train: the adapter of the checkpoint, that of the config, a new one, or the whole model. */
export function trainedChoice(
  { device, dtype, threads, objective, lora, seed, optimizer, chat }: RunConfig,
  run: Pick<Run, 'adapterFolder'>,
): PolicyChoice {
  const reference = objective.kl.beta > 0;
  const { stateDtype } = optimizer;
  const choice = { device, dtype, threads, reference, optimizer: { stateDtype }, chat: givenChat(chat) };
  if (lora === undefined) return choice;
  const { adapter: initialAdapter, ...settings } = lora;
  const adapter = run.adapterFolder ?? initialAdapter;
  return { ...choice, lora: { ...settings, seed }, ...(adapter !== undefined && { adapter }) };
}
