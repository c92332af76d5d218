/**
 * Values as they are written on the command line, in the environment and in YAML, where `007` may be a text or a number: the
 * schema decides. A value keeps its text until the type of its key is known.
 */

import type { Takes } from './takes.js';
import { exactJson, WrongNumber } from './whole-numbers.js';

/** The words that follow a flag, the text of a variable, or a plain scalar of YAML. */
export class Written {
  /** `value` is what the file's own rules read; absent for flags and variables, which have none. */
  constructor(
    readonly words: readonly string[],
    readonly value?: { readonly read: unknown },
  ) {}
}

// argparse's words, and those of YAML 1.1.
const flagWords: Readonly<Record<string, boolean>> = {
  ...{ true: true, yes: true, t: true, y: true, '1': true, on: true },
  ...{ false: false, no: false, f: false, n: false, '0': false, off: false },
};

const noneWords = new Set(['null', 'none', '~']);

/** Converts `yes`, `False` or `1`, as argparse does; undefined for other words. */
export function toFlag(word: string): boolean | undefined {
  const lower = word.toLowerCase();
  return Object.hasOwn(flagWords, lower) ? flagWords[lower] : undefined;
}

export const isNone = (word: string): boolean => noneWords.has(word.toLowerCase());

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Converts a decimal number; undefined for other words. @throws WrongNumber for one that JavaScript would round. */
function toNumber(word: string): number | undefined {
  if (!decimal.test(word)) return undefined;
  const value = Number(word);
  if (/^[+-]?\d+$/.test(word) && !Number.isSafeInteger(value)) throw new WrongNumber(word);
  return value;
}

function toJson(word: string): { readonly json: unknown } | undefined {
  try {
    return { json: exactJson(word) };
  } catch (error) {
    if (error instanceof WrongNumber) throw error;
    return undefined;
  }
}

const isText = (value: unknown): boolean => typeof value === 'string';

/** Python's `True`, `False` and `None` have no JSON form. */
function toAny(word: string): unknown {
  if (/^(True|False)$/.test(word)) return word === 'True';
  return word === 'None' ? null : (toJson(word) ?? { json: word }).json;
}

/** Converts a list that is written as JSON; a text like `[END]` is none. */
function toList(word: string, entries: Takes): readonly unknown[] | undefined {
  const list = word.startsWith('[') ? toJson(word)?.json : undefined;
  if (!Array.isArray(list)) return undefined;
  const isEntries = !entries.text || entries.number || list.every(isText);
  return isEntries ? list : undefined;
}

/** Converts one word to the first type that fits; a word that fits none stays a text, which the schema refuses. */
function convertWord(word: string, takes: Takes): unknown {
  if (takes.any) return toAny(word);
  if (takes.choices?.includes(word)) return word;
  const number = takes.number ? toNumber(word) : undefined;
  if (number !== undefined) return number;
  const flag = takes.flag ? toFlag(word) : undefined;
  if (flag !== undefined) return flag;
  const list = takes.list ? toList(word, takes.list) : undefined;
  if (list !== undefined) return list;
  const object = takes.object && word.startsWith('{') ? toJson(word) : undefined;
  if (object !== undefined) return object.json;
  if (isNone(word) && (!takes.text || takes.choices !== undefined)) return null;
  if (!takes.list || (takes.text && !takes.list.text)) return word;
  return [convertWord(word, takes.list)];
}

/** 010 is 8 in YAML 1.1 and 10 in YAML 1.2. */
const isOctal = (word: string): boolean => /^[+-]?0[0-7]+$/.test(word) && Number(word) !== Number.parseInt(word, 8);

/** Converts a plain scalar of YAML: what YAML 1.2 reads, unless the key takes a text or a truth value. */
function convertScalar(word: string, read: unknown, takes: Takes): unknown {
  if (typeof read === 'bigint') throw new WrongNumber(word);
  if (read === null || takes.any) return read;
  if (takes.flag && !takes.text && !takes.number) return toFlag(word) ?? read;
  if (typeof read === 'number' && takes.number && isOctal(word)) {
    throw new WrongNumber(
      word,
      `is ${Number.parseInt(word, 8)} in YAML 1.1 and ${read} in YAML 1.2; write the number itself`,
    );
  }
  const takesTextOnly = (takes.text || takes.list?.text) && !takes.number && !(takes.flag && typeof read === 'boolean');
  return takesTextOnly && typeof read !== 'string' ? word : read;
}

/** Converts to the type that the key takes. @throws WrongNumber for a whole number that cannot be kept. */
export function convertWritten({ words, value }: Written, takes: Takes): unknown {
  const [word = ''] = words;
  if (value !== undefined) return convertScalar(word, value.read, takes);
  if (words.length > 1) return words.map((one) => convertWord(one, takes.list ?? takes));
  return convertWord(word, takes);
}
