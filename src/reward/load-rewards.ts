/** Loads the reward functions that a config names. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { anyRecord, listOf, requireArgument } from '../arguments.js';
import { ConfigError, type ConfigProblem } from '../errors.js';
import { exactMatch, repetitionPenalty, softOverlong, thinkFormat } from './built-in.js';
import { IsolatedFunction } from './isolated.js';
import { moduleFunction } from './module.js';
import type { NamedReward } from './named.js';
import type { Answered, Reward } from './reward.js';
import { type RewardBatch, rewardBatch } from './reward-batch.js';
import { signatureHint, withHint } from './signature.js';

/** One entry of the config's `rewards` with every default filled in. */
export interface RewardSettings {
  readonly file?: string | undefined;
  readonly export?: string | undefined;
  readonly builtIn?: BuiltInName | undefined;
  readonly name: string;
  readonly weight: number;
  readonly range: readonly [number, number];
  readonly timeoutSeconds: number;
  readonly isolated: boolean;
  readonly scope: 'batch' | 'group' | 'rollout';
  readonly column: string;
  readonly extract: 'text' | 'boxed' | 'number';
  readonly ignoreCase: boolean;
  readonly pattern?: string | undefined;
  readonly flags: string;
  readonly overlongBuffer?: number | undefined;
  readonly longestCompletion: number;
  readonly ngramSize: number;
  readonly maxPenalty: number;
}

export const builtInNames = [
  'quality',
  'exact_match',
  'format_regex',
  'think_format_reward',
  'soft_overlong_punishment_reward',
  'repetition_penalty_reward',
] as const;
export type BuiltInName = (typeof builtInNames)[number];

/** The reward functions of a config, one per entry, in its order. */
export interface LoadedRewards {
  readonly functions: readonly NamedReward[];
  /** Ends the threads of isolated functions. */
  close(): Promise<void>;
}

type BatchCall = (batch: RewardBatch) => unknown;

/** Replaces each list of a batch of one by its entry: the argument of a function of scope `rollout`. */
function toSingle(batch: RewardBatch): Record<string, unknown> {
  const { columns, prompts, completions, texts, completionIds, tasks, histories, intents, qualities } = batch;
  const one = <Item>(list: readonly Item[] | undefined): Item | undefined => list?.[0];
  return {
    ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, one(values)])),
    prompt: one(prompts),
    completion: one(completions),
    text: one(texts),
    completionIds: one(completionIds),
    task: one(tasks),
    history: one(histories),
    intent: one(intents),
    quality: one(qualities),
  };
}

/** Wraps the user's function as a reward of the scope that the config names; `hint` ends messages about it. */
function toReward(call: BatchCall, scope: RewardSettings['scope'], hint: string): Reward {
  switch (scope) {
    case 'batch':
      return { batch: withHint((batch: RewardBatch) => call(batch) as number[], hint) };
    case 'group':
      return { group: withHint((answered: readonly Answered[]) => call(rewardBatch(answered)) as number[], hint) };
    case 'rollout': {
      const one = (answered: Answered) => call(toSingle(rewardBatch([answered])) as unknown as RewardBatch) as number;
      return withHint(one, hint);
    }
    default:
      return scope satisfies never;
  }
}

interface LoadedReward {
  readonly reward: Reward;
  readonly thread?: IsolatedFunction;
}

async function loadIsolated(
  settings: RewardSettings,
  source: { file: string; name?: string; options?: unknown },
): Promise<LoadedReward> {
  const thread = new IsolatedFunction({ ...source, timeoutSeconds: settings.timeoutSeconds });
  await thread.start();
  return { reward: toReward((batch) => thread.call(batch), settings.scope, thread.hint), thread };
}

async function loadFile(settings: RewardSettings, file: string): Promise<LoadedReward> {
  const source = { file: resolve(file), ...(settings.export !== undefined && { name: settings.export }) };
  if (settings.isolated) return loadIsolated(settings, source);
  const call = await moduleFunction(source);
  return { reward: toReward(call as BatchCall, settings.scope, signatureHint(call)) };
}

async function loadBuiltIn(settings: RewardSettings, name: BuiltInName): Promise<LoadedReward> {
  switch (name) {
    case 'quality':
      return { reward: 'quality' };
    case 'exact_match':
      return { reward: { batch: exactMatch(settings) } };
    case 'format_regex': {
      // In a thread: a pattern may backtrack without end on a text that a model wrote.
      const file = fileURLToPath(import.meta.resolve('./built-in.js')).replace(/\.js$/, import.meta.url.slice(-3));
      const { pattern = '', flags } = settings;
      return loadIsolated(settings, { file, name: 'formatRegex', options: { pattern, flags } });
    }
    case 'think_format_reward':
      return { reward: { batch: thinkFormat() } };
    case 'soft_overlong_punishment_reward':
      return {
        reward: { batch: softOverlong({ longest: settings.longestCompletion, buffer: settings.overlongBuffer ?? 0 }) },
      };
    case 'repetition_penalty_reward':
      return { reward: { batch: repetitionPenalty({ size: settings.ngramSize, penalty: settings.maxPenalty }) } };
    default:
      return name satisfies never;
  }
}

async function loadReward(settings: RewardSettings): Promise<LoadedReward> {
  const { file, builtIn: name } = settings;
  if (file !== undefined) return loadFile(settings, file);
  return loadBuiltIn(settings, name ?? 'quality');
}

/**
 * Loads every reward function of a config. `close()` ends the threads of isolated functions.
 *
 * @param list the `rewards` of a config that `parseConfig` completed.
 * @throws ConfigError that names every function that cannot be loaded, InvalidRequestError when `list` is no such list.
 *
 * @example
 * import { parseConfig } from 'exit-rl';
 * import { loadRewards } from 'exit-rl/rewards';
 *
 * const config = parseConfig({ task: 'code-breaker', model: 'models/tiny', rewards: ['quality', 'think_format_reward'] });
 * const { functions, close } = await loadRewards(config.rewards);
 * console.log(functions.map(({ name }) => name)); // [ 'quality', 'think_format_reward' ]
 * await close();
 */
export async function loadRewards(list: readonly RewardSettings[]): Promise<LoadedRewards> {
  requireArgument('loadRewards', { list }, listOf(anyRecord));
  const problems: ConfigProblem[] = [];
  const threads: IsolatedFunction[] = [];
  const functions: NamedReward[] = [];
  for (const [at, settings] of list.entries()) {
    try {
      const { reward, thread } = await loadReward(settings);
      const { name, weight, range, timeoutSeconds } = settings;
      if (thread) threads.push(thread);
      // A thread applies the time limit itself, from the moment its turn comes.
      functions.push({ name, weight, range, timeoutSeconds: thread ? 0 : timeoutSeconds, reward });
    } catch (error) {
      const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      problems.push({ key: `rewards.${at}`, message: `${settings.file ?? settings.builtIn}: ${message}` });
    }
  }
  const close = async (): Promise<void> => void (await Promise.all(threads.map((thread) => thread.close())));
  if (problems.length === 0) return { functions, close };
  await close();
  throw new ConfigError(problems);
}
