/** Translates TRL's names of reward functions and their weights. */
import { builtInNames } from '../reward/load-rewards.js';
import type { Translation } from './alias.js';
import { isPlainObject } from './layer.js';

/** Parses a text as a file, by its extension and with its export after `#`, or as the name of a built-in function. */
export function parseEntry(entry: unknown): Readonly<Record<string, unknown>> {
  const [, file, name] = /^(.+\.[cm]?[jt]s)(?:#(.+))?$/.exec(String(entry)) ?? [];
  if (file === undefined) return { builtIn: entry };
  return name === undefined ? { file } : { file, export: name };
}

/** TRL's functions with the settings of `trl grpo`. */
const functions: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  think_format_reward: { builtIn: 'think_format_reward' },
  get_soft_overlong_punishment: {
    builtIn: 'soft_overlong_punishment_reward',
    overlongBuffer: 256,
    longestCompletion: 1280,
  },
};

const accuracy =
  'compares LaTeX with math-verify, a Python package; use `exact_match` with `extract: boxed`, or a file .ts/.js that compares with a checker of yours';

const reasons: Readonly<Record<string, string>> = { accuracy_reward: accuracy, reasoning_accuracy_reward: accuracy };

/** Explains why an entry of `reward_funcs` cannot be used; undefined when it can. */
function functionProblem(entry: unknown): string | undefined {
  const name = String(entry);
  if (Object.hasOwn(functions, name) || builtInNames.some((known) => known === name)) return undefined;
  if (parseEntry(name).file !== undefined) return undefined;
  if (Object.hasOwn(reasons, name)) return `\`${name}\` ${reasons[name]}`;
  const what = name.includes('.') ? 'is the path of a Python function' : 'is none of the functions here';
  return `\`${name}\` ${what}; name a file .ts/.js, or one of ${builtInNames.join(', ')}`;
}

/** Translates TRL's `reward_funcs`, a name or a list of names. */
export const rewardFunctions: Translation = (value) => {
  const entries = [value].flat();
  const problem = entries.map(functionProblem).find((found) => found !== undefined);
  if (problem !== undefined) return { problem };
  return { value: entries.map((entry) => functions[String(entry)] ?? parseEntry(entry)) };
};

/** Adds TRL's weights to the entries of `rewards`; undefined when there is not one for each. */
export function weighRewards(rewards: unknown, weights: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(weights) || !Array.isArray(rewards) || weights.length !== rewards.length) return undefined;
  return rewards.map((entry: unknown, at) => ({
    ...(isPlainObject(entry) ? entry : parseEntry(entry)),
    weight: weights[at] as unknown,
  }));
}
