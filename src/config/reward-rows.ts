/** The section `rewards`: the user's reward functions, by file, and built-in ones. */
import { basename } from 'node:path';
import { z } from 'zod';
import { count, name, notNegative } from '../policy/settings.js';
import { builtInNames } from '../reward/load-rewards.js';
import { parseEntry } from './reward-aliases.js';

const moduleFile = /\.[cm]?[jt]s$/;

const settings = z.strictObject({
  file: name.optional(),
  /** Name of the exported function; by default the default export, or the only one. */
  export: name.optional(),
  builtIn: z.enum(builtInNames).optional(),
  /** Name in the metrics `rewards/{name}/mean` and `/std`. */
  name: name.optional(),
  weight: z.number().default(1),
  /** Least and largest reward, from which quality is rescaled to [0, 1]. */
  range: z.tuple([z.number(), z.number()]).optional(),
  /** Limit of one call; 0 disables it. */
  timeoutSeconds: notNegative.default(60),
  /** true: runs in a thread of its own, which a timeout can end. */
  isolated: z.boolean().default(true),
  /** Rollouts that one call receives: all of an update, those of a start, or one. */
  scope: z.enum(['batch', 'group', 'rollout']).default('batch'),
  /** exact_match: the column with the right answer, and the part of the completion that is compared with it. */
  column: name.default('answer'),
  extract: z.enum(['text', 'boxed', 'number']).default('text'),
  ignoreCase: z.boolean().default(false),
  /** format_regex: the regular expression and its flags. */
  pattern: name.optional(),
  flags: z.string().default('s'),
  /** soft_overlong_punishment_reward: the last tokens before the limit, and the limit (by default sampling.maxNewTokens). */
  overlongBuffer: count.optional(),
  longestCompletion: count.optional(),
  /** repetition_penalty_reward: the length of n-grams, and the largest penalty (0 or less). */
  ngramSize: count.default(3),
  maxPenalty: z.number().max(0).default(-1),
});

type Entry = z.output<typeof settings>;

function findProblem({
  file,
  builtIn,
  pattern,
  overlongBuffer,
  range,
}: Entry): { key: string; message: string } | undefined {
  if ((file === undefined) === (builtIn === undefined)) return { key: 'file', message: 'needs either file or builtIn' };
  if (builtIn === 'format_regex' && !isPattern(pattern)) {
    return { key: 'pattern', message: 'format_regex needs a regular expression' };
  }
  if (builtIn === 'soft_overlong_punishment_reward' && overlongBuffer === undefined) {
    return { key: 'overlongBuffer', message: 'is required by soft_overlong_punishment_reward' };
  }
  if (range !== undefined && !(range[0] < range[1]))
    return { key: 'range', message: 'must be [least, largest], with the least value first' };
  return undefined;
}

function isPattern(pattern: string | undefined): boolean {
  try {
    return pattern !== undefined && new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

/** Determines the range of rewards: the entry's, or that of the built-in function. */
function determineRange({ builtIn, range, maxPenalty }: Entry): readonly [number, number] {
  if (range !== undefined) return range;
  if (builtIn === 'soft_overlong_punishment_reward') return [-1, 0];
  return builtIn === 'repetition_penalty_reward' && maxPenalty < 0 ? [maxPenalty, 0] : [0, 1];
}

/** Chooses the name of an entry: the explicit one, the export, or the file without its extension. */
function chooseName({ name: given, export: exported, file, builtIn }: Entry): string {
  return given ?? exported ?? (file === undefined ? (builtIn ?? '') : basename(file).replace(moduleFile, ''));
}

const entry = z.preprocess(
  // `./rewards.ts` and `think_format_reward` abbreviate entries of one key.
  (value) => (typeof value === 'string' ? parseEntry(value) : value),
  settings
    .superRefine((value, context) => {
      const problem = findProblem(value);
      if (problem) context.addIssue({ code: 'custom', path: [problem.key], message: problem.message });
    })
    .transform((value) => ({ ...value, name: chooseName(value), range: determineRange(value) })),
);

const list = z.array(entry).superRefine((entries, context) => {
  entries.forEach(({ name: own }, at) => {
    if (entries.findIndex((other) => other.name === own) === at) return;
    context.addIssue({ code: 'custom', path: [at, 'name'], message: `two reward functions are named \`${own}\`` });
  });
});

/** A list of reward functions, or a single one. */
export const rewards = z.preprocess(
  (value) => (value === undefined || Array.isArray(value) ? value : [value]),
  list.default([]),
);
