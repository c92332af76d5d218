/** Reward functions that every run has, by TRL's names and formulas where TRL has them. Each makes a function of a batch. */
import type { RewardBatch } from './batch.js';

type BatchFunction = (batch: RewardBatch) => (number | null)[];

export interface ExactMatchOptions {
  /** The column with the right answer. */
  readonly column: string;
  /** What of the completion is compared: all of it, its last `\boxed{…}`, or its last number. */
  readonly extract: 'text' | 'boxed' | 'number';
  readonly ignoreCase: boolean;
}

/** The content of the last `\boxed{…}` with its braces balanced; undefined where there is none. */
function lastBoxed(text: string): string | undefined {
  const begin = text.lastIndexOf('\\boxed{');
  if (begin < 0) return undefined;
  let depth = 0;
  for (let at = begin + '\\boxed'.length; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return text.slice(begin + '\\boxed{'.length, at);
  }
  return undefined;
}

/** The last number of a text, with commas between its thousands taken out. */
function lastNumber(text: string): string | undefined {
  return text
    .match(/-?\d[\d,]*(?:\.\d+)?/g)
    ?.at(-1)
    ?.replaceAll(',', '');
}

function extracted(text: string, extract: ExactMatchOptions['extract']): string | undefined {
  switch (extract) {
    case 'text':
      return text;
    case 'boxed':
      return lastBoxed(text);
    case 'number':
      return lastNumber(text);
    default:
      return extract satisfies never;
  }
}

const isSame = (said: string, right: string, extract: ExactMatchOptions['extract']): boolean =>
  said === right || (extract === 'number' && Number(said) === Number(right));

/** 1 where the answer equals the column up to white space at its ends and within it, else 0; `null` without a right answer. */
export function exactMatch({ column, extract, ignoreCase }: ExactMatchOptions): BatchFunction {
  const tidy = (text: string): string => {
    const spaced = text.trim().replaceAll(/\s+/g, ' ');
    return ignoreCase ? spaced.toLowerCase() : spaced;
  };
  return ({ texts, columns }) => {
    const answers = columns[column];
    if (answers === undefined) throw new Error(`there is no column \`${column}\``);
    return texts.map((text, at) => {
      const answer = answers[at];
      if (answer === null || answer === undefined) return null;
      // The right answer may be written the way answers are: GSM8K ends in "#### 12".
      const right = extract === 'text' ? String(answer) : (extracted(String(answer), extract) ?? String(answer));
      const said = extracted(text, extract);
      return said !== undefined && isSame(tidy(said), tidy(right), extract) ? 1 : 0;
    });
  };
}

/** 1 where the pattern is found in the completion, else 0. */
export function formatRegex({ pattern, flags }: { readonly pattern: string; readonly flags: string }): BatchFunction {
  const expression = new RegExp(pattern, flags.replaceAll(/[gy]/g, ''));
  return ({ texts }) => texts.map((text) => (expression.test(text) ? 1 : 0));
}

/** TRL's `think_format_reward`: 1 where the completion begins with one `<think>` that is closed, else 0. */
export function thinkFormat(): BatchFunction {
  const opening = '<think>';
  return ({ texts }) =>
    texts.map((text) => {
      const rest = text.startsWith(opening) ? text.slice(opening.length) : '';
      return rest.includes('</think>') && !rest.includes(opening) ? 1 : 0;
    });
}

/**
 * TRL's `soft_overlong_punishment`, equation 13 of DAPO (arXiv 2503.14476): with L the longest completion and C the
 * buffer, 0 up to L − C tokens, then ((L − C) − |y|) / C, and −1 beyond L.
 */
export function softOverlong({
  longest,
  buffer,
}: {
  readonly longest: number;
  readonly buffer: number;
}): BatchFunction {
  const free = longest - buffer;
  return ({ completionIds }) =>
    completionIds.map(({ length }) => (length <= free ? 0 : length <= longest ? (free - length) / buffer : -1));
}

/**
 * TRL's `repetition_penalty_reward`: (1 − distinct n-grams / n-grams) · penalty over the tokens; 0 for fewer than n of
 * them.
 */
export function repetitionPenalty({
  size,
  penalty,
}: {
  readonly size: number;
  readonly penalty: number;
}): BatchFunction {
  return ({ completionIds }) =>
    completionIds.map((ids) => {
      const count = ids.length - size + 1;
      if (count < 1) return 0;
      const distinct = new Set(Array.from({ length: count }, (_, at) => ids.slice(at, at + size).join(' '))).size;
      return distinct === count ? 0 : (1 - distinct / count) * penalty;
    });
}
