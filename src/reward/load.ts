/** The reward functions that a config names. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, type ConfigProblem } from '../errors.js';
import { type RewardBatch, rewardBatch } from './batch.js';
import { exactMatch, repetitionPenalty, softOverlong, thinkFormat } from './built-in.js';
import { IsolatedFunction } from './isolated.js';
import { moduleFunction } from './module.js';
import type { NamedReward } from './named.js';
import type { Reward, RewardFunction } from './reward.js';

/** One entry of the config's `rewards`, complete. */
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

export interface LoadedRewards {
  readonly functions: readonly NamedReward[];
  /** Ends their threads. */
  close(): Promise<void>;
}

type BatchCall = (batch: RewardBatch) => unknown;

/** One rollout as a function of scope `rollout` sees it: the batch's lists, each with its one entry in place. */
function alone(batch: RewardBatch): Record<string, unknown> {
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

/** A function of the user's in the scope that the config gives it. */
function scoped(call: BatchCall, scope: RewardSettings['scope']): Reward {
  switch (scope) {
    case 'batch':
      return { batch: call as (batch: RewardBatch) => number[] };
    case 'group':
      return { group: (answered) => call(rewardBatch(answered)) as number[] };
    case 'rollout':
      return ((answered) => call(alone(rewardBatch([answered])) as unknown as RewardBatch)) as RewardFunction;
    default:
      return scope satisfies never;
  }
}

interface Found {
  readonly reward: Reward;
  readonly thread?: IsolatedFunction;
}

async function inThread(
  settings: RewardSettings,
  source: { file: string; name?: string; options?: unknown },
): Promise<Found> {
  const thread = new IsolatedFunction({ ...source, timeoutSeconds: settings.timeoutSeconds });
  await thread.start();
  return { reward: scoped((batch) => thread.call(batch), settings.scope), thread };
}

async function fromFile(settings: RewardSettings, file: string): Promise<Found> {
  const source = { file: resolve(file), ...(settings.export !== undefined && { name: settings.export }) };
  if (settings.isolated) return inThread(settings, source);
  return { reward: scoped((await moduleFunction(source)) as BatchCall, settings.scope) };
}

async function builtIn(settings: RewardSettings, name: BuiltInName): Promise<Found> {
  switch (name) {
    case 'quality':
      return { reward: 'quality' };
    case 'exact_match':
      return { reward: { batch: exactMatch(settings) } };
    case 'format_regex': {
      // In a thread: a pattern may need for ever on a text that a model wrote.
      const file = fileURLToPath(import.meta.resolve('./built-in.js')).replace(/\.js$/, import.meta.url.slice(-3));
      const { pattern = '', flags } = settings;
      return inThread(settings, { file, name: 'formatRegex', options: { pattern, flags } });
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

async function find(settings: RewardSettings): Promise<Found> {
  const { file, builtIn: name } = settings;
  if (file !== undefined) return fromFile(settings, file);
  return builtIn(settings, name ?? 'quality');
}

/** @throws ConfigError naming every function that cannot be loaded. */
export async function loadRewards(list: readonly RewardSettings[]): Promise<LoadedRewards> {
  const problems: ConfigProblem[] = [];
  const threads: IsolatedFunction[] = [];
  const functions: NamedReward[] = [];
  for (const [at, settings] of list.entries()) {
    try {
      const { reward, thread } = await find(settings);
      const { name, weight, range, timeoutSeconds } = settings;
      if (thread) threads.push(thread);
      // A thread has its own clock, which counts from when its turn comes.
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
