/**
 * Reads the flags of a config from the words of a command line as they were typed: `--sampling.stop 1` is a text and
 * `--seed 1` a number, because the schema decides. A list takes every word up to the next flag, as TRL's flags do.
 */
import { UsageError } from '../errors.js';
import type { Source } from './alias.js';
import { isSettings, type Layer } from './layer.js';
import { takesAt } from './option-types.js';
import type { Takes } from './takes.js';
import { isNone, toFlag, Written } from './written.js';

/** The words of a command line, sorted. */
export interface FlagLine extends Source {
  /** The recipe or config file: the word without a flag, or TRL's `--config`. */
  readonly source?: string;
  readonly typed: ReadonlyMap<string, string>;
  /** The words of the command itself. */
  readonly command: readonly string[];
}

/** A flag with its words. */
interface Flag {
  readonly typed: string;
  readonly key: string;
  /** undefined: a flag without a value, which is true, or after `--no` false. */
  readonly value: Written | boolean;
}

const isFlag = (word: string | undefined): boolean => word !== undefined && /^(--?[A-Za-z_]|--[^-])/.test(word);

/** `group-size` is `groupSize`, and `learning-rate` TRL's `learning_rate`, where these are known. */
function knownKey(name: string): string {
  if (takesAt(name) !== undefined || !name.includes('-')) return name;
  const forms = [name.replaceAll('-', '_'), name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
  return forms.find((form) => takesAt(form) !== undefined) ?? name;
}

/** argparse negates a truth value by `--no_`, and the usual form is `--no-`. */
function negatedKey(name: string): string | undefined {
  const [, positive] = /^no[-_](.+)$/.exec(name) ?? [];
  if (positive === undefined || takesAt(name) !== undefined) return undefined;
  const key = knownKey(positive);
  return takesAt(key)?.flag || takesAt(key)?.any ? key : undefined;
}

const takesOnlyFlag = ({ flag, text, number, list, object }: Takes): boolean =>
  Boolean(flag) && !text && !number && !list && !object;

/** How many of the next words belong to a flag. A list leaves a last word that is a source, where none was named before. */
function countWords(takes: Takes | undefined, next: readonly string[], isSource: (word: string) => boolean): number {
  const [first] = next;
  if (first === undefined) return 0;
  if (takes && takesOnlyFlag(takes)) return toFlag(first) !== undefined || isNone(first) ? 1 : 0;
  if (!takes?.list) return 1;
  return next.length > 1 && isSource(next.at(-1) ?? '') ? next.length - 1 : next.length;
}

/** The words up to the next flag. */
function wordsAfter(words: readonly string[], at: number): readonly string[] {
  const end = words.findIndex((word, place) => place > at && isFlag(word));
  return words.slice(at + 1, end < 0 ? words.length : end);
}

/** Reads one flag; returns it with the number of words after it that it takes. */
function readFlag(words: readonly string[], at: number, isSource: (word: string) => boolean): [Flag, number] {
  const [, typed = '', name = '', equal] = /^((?:--?)([^=]+))(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
  const negated = equal === undefined ? negatedKey(name) : undefined;
  if (negated !== undefined) return [{ typed, key: negated, value: false }, 0];
  const key = knownKey(name);
  if (equal !== undefined) return [{ typed, key, value: new Written([equal]) }, 0];
  const next = wordsAfter(words, at);
  const count = countWords(takesAt(key), next, isSource);
  return [{ typed, key, value: count === 0 ? true : new Written(next.slice(0, count)) }, count];
}

/** Unites a flag that is given twice: a list takes the words of both. @throws UsageError where the key takes one value. */
function unite({ typed, key, value }: Flag, before: Written | boolean | undefined): Written | boolean {
  if (before === undefined) return value;
  if (takesAt(key)?.list && before instanceof Written && value instanceof Written) {
    return new Written([...before.words, ...value.words]);
  }
  const shown = [before, value].map((one) => (one instanceof Written ? one.words.join(' ') : String(one)));
  throw new UsageError(`${typed} is given twice, as ${shown.join(' and ')}; keep one`);
}

/** Sets a key as data, `__proto__` too: it is refused later, by name. */
const define = (layer: Layer, key: string, value: unknown): void =>
  void Object.defineProperty(layer, key, { value, enumerable: true, writable: true, configurable: true });

/** Sets `a.0.b` in a layer. @throws UsageError where another flag sets a whole or a part of it. */
function nest(layer: Layer, { typed, key, value }: Flag): void {
  const keys = key.split('.');
  const last = keys.pop() ?? key;
  let parent = layer;
  for (const part of keys) {
    if (!Object.hasOwn(parent, part)) define(parent, part, {});
    const child = parent[part];
    if (!isSettings(child)) throw new UsageError(`${typed}: another flag sets \`${part}\` as a whole; keep one`);
    parent = child;
  }
  if (Object.hasOwn(parent, last)) throw new UsageError(`${typed}: another flag sets a part of \`${key}\`; keep one`);
  define(parent, last, value);
}

/** Turns objects whose keys are 0, 1, 2 … into lists. */
function withLists(value: unknown): unknown {
  if (!isSettings(value)) return value;
  const entries = Object.entries(value).map(([key, child]) => [key, withLists(child)] as const);
  const isList = entries.length > 0 && entries.every(([key], at) => key === String(at));
  return isList ? entries.map(([, child]) => child) : Object.fromEntries(entries);
}

/** The words of a command line that are no flags of the config. */
export interface LineOptions {
  /** The options of the command, by name; true for one that takes a value. */
  readonly command: ReadonlyMap<string, boolean>;
  /** The names of recipes. */
  readonly recipes: readonly string[];
}

/** Sorts words, one after the other. */
class Sorting {
  readonly command: string[] = [];
  readonly flags = new Map<string, Flag>();
  source: string | undefined;
  /** The flag before, as it was typed. */
  private before = '';

  constructor(
    private readonly words: readonly string[],
    private readonly options: LineOptions,
  ) {}

  /** Sorts the word at a place; returns the place after those that belong to it. */
  next(at: number): number {
    const word = this.words[at] ?? '';
    const name = word.replace(/^--?/, '').replace(/=.*$/s, '');
    if (word === '--') return at + 1;
    if (!isFlag(word)) return this.takeSource(word, at);
    const takesValue = this.options.command.get(name);
    if (takesValue === undefined) return this.takeFlag(at);
    const end = takesValue && !word.includes('=') && !isFlag(this.words[at + 1]) ? at + 2 : at + 1;
    this.command.push(...this.words.slice(at, end));
    return end;
  }

  private takeSource(word: string, at: number): number {
    if (this.source !== undefined) {
      const reason = this.before === '' ? `\`${this.source}\` is named already` : `${this.before} takes one value`;
      throw new UsageError(`unexpected \`${word}\`: ${reason}`);
    }
    this.source = word;
    return at + 1;
  }

  private takeFlag(at: number): number {
    const [flag, count] = readFlag(this.words, at, (word) => this.source === undefined && this.isSource(word));
    this.before = flag.typed;
    const { key, value } = flag;
    if (key === 'config' && value instanceof Written) this.takeSource(value.words[0] ?? '', at);
    else this.flags.set(key, { ...flag, value: unite(flag, this.flags.get(key)?.value) });
    return at + count + 1;
  }

  /** A file that is no list's entry, or a recipe. */
  private isSource(word: string): boolean {
    return /\.(ya?ml|toml)$/i.test(word) || this.options.recipes.includes(word);
  }
}

/**
 * Sorts the words after a command's name into its own flags, the source, and the flags of the config.
 * @throws UsageError for a word without a flag beside the source, and for a flag that is given twice.
 */
export function readFlagLine(words: readonly string[], options: LineOptions): FlagLine {
  const sorting = new Sorting(words, options);
  for (let at = 0; at < words.length; ) at = sorting.next(at);
  const { source, command } = sorting;
  const layer: Layer = {};
  for (const flag of sorting.flags.values()) nest(layer, flag);
  const typed = new Map([...sorting.flags.values()].map(({ key, typed: flag }) => [key, flag]));
  return { layer: withLists(layer) as Layer, typed, command, ...(source !== undefined && { source }) };
}
