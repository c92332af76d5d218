/** Schemas of the files in run folders and comparison folders. */
import { z } from 'zod';
import { unreadableRules } from '../config/schema.js';
import type { ComparisonRow } from '../evaluation/compare.js';

import { sum } from '../stats.js';

// JSON has no NaN: a number that was not finite is written as null and read back as NaN, a gap in a plot.
const number = z.union([z.number(), z.null()]).transform((value) => value ?? Number.NaN);
const numbers = z.array(number);
const text = z.string();

const guessSchema = z.object({ text, marks: text });
const stepSchema = z.object({ k: z.int().min(0), answer: text, feedback: text.exactOptional(), quality: number });

/** One task from its first attempt (k = 0) on; `openings` are the rows that the task shows before any answer. */
const exampleSchema = z.object({
  taskId: text,
  openings: z.array(guessSchema).default([]),
  steps: z.array(stepSchema),
});

const standardErrorOf = <Value extends z.ZodType>(value: Value) =>
  z.object({ tasks: value.exactOptional(), chains: value.exactOptional() });

const standardErrorsSchema = z.object({
  quality: standardErrorOf(numbers),
  solved: standardErrorOf(numbers),
  deltaQuality: standardErrorOf(number),
  deltaSolved: standardErrorOf(number),
});

/**
 * An `Evaluation`: every list is by position of `k`; qualities and shares in [0, 1]. Version 0.1 wrote no totals, which
 * its lists of every k give, and a `netCorrections` that equals `deltaSolved`.
 */
export const evaluationSchema = z
  .object({
    k: z.array(z.int().min(0)).min(1),
    quality: numbers,
    solved: numbers,
    fixed: numbers,
    broken: numbers,
    fixedTotal: number.exactOptional(),
    brokenTotal: number.exactOptional(),
    unreadable: numbers.exactOptional(),
    unreadableRewrites: number.exactOptional(),
    unreadableRule: z.enum(unreadableRules).exactOptional(),
    deltaQuality: number,
    deltaSolved: number,
    standardErrors: standardErrorsSchema.exactOptional(),
    tasksNeeded: z.object({ models: z.number().exactOptional(), gain: z.number().exactOptional() }).exactOptional(),
    tasks: z.number(),
    draws: z.number(),
    seconds: number,
    failures: z.object({ count: z.number(), first: text }).exactOptional(),
    example: exampleSchema.exactOptional(),
  })
  .transform(({ fixedTotal, brokenTotal, ...rest }) => ({
    ...rest,
    fixedTotal: fixedTotal ?? sum(rest.fixed),
    brokenTotal: brokenTotal ?? sum(rest.broken),
  }));

/** The longest accepted path of a run folder. */
const longestPath = 1024;

export const comparisonSchema = z.object({
  task: text,
  recipe: text.exactOptional(),
  seeds: z.array(z.number()),
  rows: z.array(
    z.object({
      method: text,
      seed: z.number().nullable(),
      updates: number,
      trainSeconds: number,
      evaluation: evaluationSchema,
      run: text.max(longestPath).nullable(),
    }),
  ),
  notes: z.array(text).default([]),
});

/** The keys of a resolved config that the report interprets; it shows all others as they are. */
export const configSchema = z.looseObject({
  method: text.exactOptional(),
  seed: z.number().exactOptional(),
  recipe: text.exactOptional(),
  task: text.exactOptional(),
  model: text.exactOptional(),
  updates: z.number().exactOptional(),
});

export const metricsLineSchema = z.object({ update: z.number() }).catchall(z.unknown());

/** A comparison folder's comparison.json. */
export interface Comparison {
  readonly task: string;
  readonly recipe?: string;
  readonly seeds: readonly number[];
  readonly rows: readonly ComparisonRow[];
  /** Caveats, shown with every table. */
  readonly notes: readonly string[];
}

export type ConfigRecord = z.output<typeof configSchema>;
/** The metrics of one update by name; values that are not numbers are absent. */
export type MetricsLine = ReadonlyMap<string, number>;
