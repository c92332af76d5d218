/** Built-in reward functions, with TRL's names and formulas where TRL has them. Each factory returns a function of a batch. */
import type { RewardBatch } from './reward-batch.js';

type BatchFunction = (batch: RewardBatch) => (number | null)[];

export interface ExactMatchOptions {
  /** The column that holds the right answer. */
  readonly column: string;
  /** The part of the completion that is compared: all of it, its last `\boxed{…}`, or its last number. */
  readonly extract: 'text' | 'boxed' | 'number';
  readonly ignoreCase: boolean;
}

/** Returns the content of the last `\boxed{…}` with balanced braces; undefined where there is none. */
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

/** Returns the last number of a text without its thousands separators. */
function lastNumber(text: string): string | undefined {
  return text
    .match(/-?\d[\d,]*(?:\.\d+)?/g)
    ?.at(-1)
    ?.replaceAll(',', '');
}

function extractAnswer(text: string, extract: ExactMatchOptions['extract']): string | undefined {
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

const isSame = (given: string, right: string, extract: ExactMatchOptions['extract']): boolean =>
  given === right || (extract === 'number' && Number(given) === Number(right));

/** Rewards 1 where the answer equals the column up to white space, else 0; `null` where the column holds no answer. */
export function exactMatch({ column, extract, ignoreCase }: ExactMatchOptions): BatchFunction {
  const normalise = (text: string): string => {
    const spaced = text.trim().replaceAll(/\s+/g, ' ');
    return ignoreCase ? spaced.toLowerCase() : spaced;
  };
  return ({ texts, columns }) => {
    const answers = columns[column];
    if (answers === undefined) throw new Error(`there is no column \`${column}\``);
    return texts.map((text, at) => {
      const answer = answers[at];
      if (answer === null || answer === undefined) return null;
      // The column may hold a worked solution: GSM8K ends in "#### 12".
      const right = extract === 'text' ? String(answer) : (extractAnswer(String(answer), extract) ?? String(answer));
      const given = extractAnswer(text, extract);
      return given !== undefined && isSame(normalise(given), normalise(right), extract) ? 1 : 0;
    });
  };
}

/** Rewards 1 where the pattern matches within the completion, else 0. The flags `g` and `y` are ignored. */
export function formatRegex({ pattern, flags }: { readonly pattern: string; readonly flags: string }): BatchFunction {
  const expression = new RegExp(pattern, flags.replaceAll(/[gy]/g, ''));
  return ({ texts }) => texts.map((text) => (expression.test(text) ? 1 : 0));
}

/** TRL's `think_format_reward`: 1 where the completion begins with its only `<think>` and closes it, else 0. */
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
 * buffer, both in tokens, the reward is 0 up to L − C, then ((L − C) − |y|) / C, and −1 beyond L.
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
 * TRL's `repetition_penalty_reward`: (1 − distinct n-grams / n-grams) · penalty over the tokens; 0 for fewer than n
 * tokens.
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
