/** The reward functions of a run: files of the user's, or built-in ones. */
import { basename } from 'node:path';
import { z } from 'zod';
import { count, name, notNegative } from '../policy/settings.js';
import { builtInNames } from '../reward/load-rewards.js';
import { entryOf } from './run-aliases.js';

const moduleFile = /\.[cm]?[jt]s$/;

const settings = z.strictObject({
  file: name.optional(),
  /** The file's function; by default its default export, or its only one. */
  export: name.optional(),
  builtIn: z.enum(builtInNames).optional(),
  /** Of the metrics `rewards/{name}/mean` and `/std`. */
  name: name.optional(),
  weight: z.number().default(1),
  /** Least and largest value, for the quality that is rescaled from rewards. */
  range: z.tuple([z.number(), z.number()]).optional(),
  /** How long one call may take; 0 waits for ever. */
  timeoutSeconds: notNegative.default(60),
  /** true: in a thread that can be ended, whatever it does. */
  isolated: z.boolean().default(true),
  /** What one call gets: all rollouts of an update, those of a start, or one. */
  scope: z.enum(['batch', 'group', 'rollout']).default('batch'),
  /** exact_match: the column with the right answer, and what of the completion is compared with it. */
  column: name.default('answer'),
  extract: z.enum(['text', 'boxed', 'number']).default('text'),
  ignoreCase: z.boolean().default(false),
  /** format_regex. */
  pattern: name.optional(),
  flags: z.string().default('s'),
  /** soft_overlong_punishment_reward: the last tokens before the limit, and the limit (by default sampling.maxNewTokens). */
  overlongBuffer: count.optional(),
  longestCompletion: count.optional(),
  /** repetition_penalty_reward. */
  ngramSize: count.default(3),
  maxPenalty: z.number().max(0).default(-1),
});

type Entry = z.output<typeof settings>;

function problemOf({
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
    return { key: 'overlongBuffer', message: 'soft_overlong_punishment_reward needs it' };
  }
  if (range !== undefined && !(range[0] < range[1])) return { key: 'range', message: 'the least value comes first' };
  return undefined;
}

function isPattern(pattern: string | undefined): boolean {
  try {
    return pattern !== undefined && new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

/** What a built-in function gives, where the entry does not say. */
function rangeOf({ builtIn, range, maxPenalty }: Entry): readonly [number, number] {
  if (range !== undefined) return range;
  if (builtIn === 'soft_overlong_punishment_reward') return [-1, 0];
  return builtIn === 'repetition_penalty_reward' && maxPenalty < 0 ? [maxPenalty, 0] : [0, 1];
}

/** The entry's own name: as it is given, the export, or the file without its ending. */
function nameOf({ name: given, export: exported, file, builtIn }: Entry): string {
  return given ?? exported ?? (file === undefined ? (builtIn ?? '') : basename(file).replace(moduleFile, ''));
}

const entry = z.preprocess(
  // `./rewards.ts` and `think_format_reward` stand for entries of one key.
  (value) => (typeof value === 'string' ? entryOf(value) : value),
  settings
    .superRefine((value, context) => {
      const problem = problemOf(value);
      if (problem) context.addIssue({ code: 'custom', path: [problem.key], message: problem.message });
    })
    .transform((value) => ({ ...value, name: nameOf(value), range: rangeOf(value) })),
);

const list = z.array(entry).superRefine((entries, context) => {
  entries.forEach(({ name: own }, at) => {
    if (entries.findIndex((other) => other.name === own) === at) return;
    context.addIssue({ code: 'custom', path: [at, 'name'], message: `two reward functions are named \`${own}\`` });
  });
});

/** A list of functions; a single one may stand alone. */
export const rewards = z.preprocess(
  (value) => (value === undefined || Array.isArray(value) ? value : [value]),
  list.default([]),
);
