/** Built-in reward functions, with TRL's names and formulas where TRL has them. Each factory returns a function of a batch. */
import { pythonFloat, sameValue } from '../exact-json.js';
import { describeValue } from '../shown.js';
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

/** A number as people write it: with thousands separators, without a leading zero, with an exponent. */
const writtenNumber = /-?(?:\d[\d,]*(?:\.\d+)?|(?<![\w.)])\.\d+)(?:[eE][+-]?\d+)?/g;

/** Returns the last number of a text without its thousands separators. */
function lastNumber(text: string): string | undefined {
  const last = text.match(writtenNumber)?.at(-1)?.replaceAll(',', '');
  return last?.replace(/^(-?)\./, '$10.');
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

/** The texts of an answer: a number and a boolean have that of JavaScript, and that of Python. */
function answerTexts(answer: unknown, column: string): readonly string[] {
  switch (typeof answer) {
    case 'string':
      return [answer];
    case 'bigint':
      return [String(answer)];
    case 'number':
      return [String(answer), pythonFloat(answer)];
    case 'boolean':
      return answer ? ['true', 'True'] : ['false', 'False'];
    default:
      throw new Error(
        `the column \`${column}\` holds ${describeValue(answer)}: exact_match compares texts and numbers`,
      );
  }
}

/** The right answers of a row. A column of text may hold a worked solution: GSM8K ends in "#### 12". */
function rightAnswers(answer: unknown, { column, extract }: ExactMatchOptions): readonly string[] {
  const texts = answerTexts(answer, column);
  return typeof answer === 'string' ? texts.map((text) => extractAnswer(text, extract) ?? text) : texts;
}

/**
 * Rewards 1 where the answer equals the column up to white space, else 0; `null` where the column holds no answer. Numbers are
 * compared by their digits, never as doubles: 0.30 is 0.3, and 9007199254740993 is not 9007199254740992.
 */
export function exactMatch(options: ExactMatchOptions): BatchFunction {
  const { column, extract, ignoreCase } = options;
  const normalise = (text: string): string => {
    const spaced = text.trim().replaceAll(/\s+/g, ' ');
    return ignoreCase ? spaced.toLowerCase() : spaced;
  };
  const isSame = (given: string, right: string): boolean =>
    given === right || (extract === 'number' && sameValue(given, right));
  return ({ texts, columns }) => {
    const answers = Object.hasOwn(columns, column) ? columns[column] : undefined;
    if (answers === undefined) throw new Error(`there is no column \`${column}\``);
    return texts.map((text, at) => {
      const answer = answers[at] ?? null;
      if (answer === null) return null;
      const right = rightAnswers(answer, options).map(normalise);
      const given = extractAnswer(text, extract);
      return given !== undefined && right.some((one) => isSame(normalise(given), one)) ? 1 : 0;
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
