/** The filters of texts. */
import { bind, requireInt, requireText } from './bind-arguments.js';
import { bounded, JinjaError, requireLength, unsupported } from './budget.js';
import { capitalize, characters, lengthOf, spaces, splitLines } from './python-text.js';
import { toText } from './show.js';
import { centerText, replaceText, stripText } from './text-methods.js';
import type { FilterFunction } from './values.js';
import { isTrue, Markup, type Value } from './values.js';

/** A value as text, as Jinja's filters of texts take it. */
export function textOf(value: Value): string {
  if (value instanceof Markup) unsupported('a filter of marked HTML');
  return toText(value);
}

const changed =
  (name: string, change: (text: string) => Value): FilterFunction =>
  (value, args) => {
    bind(name, [], args);
    return change(textOf(value));
  };

const trimFilter: FilterFunction = (value, args) => {
  const [chars = null] = bind('trim', [['chars', null]], args);
  return stripText(textOf(value), chars);
};

const replaceFilter: FilterFunction = (value, args) => {
  const [old = null, fresh = null, count = null] = bind('replace', ['old', 'new', ['count', null]], args);
  return replaceText(textOf(value), textOf(old), textOf(fresh), count === null ? -1 : requireInt(count, 'replace'));
};

const wordStart = new RegExp(`([-({\\[<${spaces}]+)`);

/** Jinja's title: a word begins behind `-`, white space, `(`, `{`, `[` and `<`. */
function titleWords(text: string): string {
  const parts = text.split(wordStart).filter((part) => part !== '');
  return parts.map((part) => titleWord(part)).join('');
}

function titleWord(part: string): string {
  const [first = ''] = characters(part);
  return first.toUpperCase() + part.slice(first.length).toLowerCase();
}

const indentFilter: FilterFunction = (value, args) => {
  const [width = 4n, first = false, blank = false] = bind(
    'indent',
    [
      ['width', 4n],
      ['first', false],
      ['blank', false],
    ],
    args,
  );
  const text = requireText(value, 'indent');
  const count = typeof width === 'string' ? 0 : Math.max(0, requireInt(width, 'indent'));
  requireLength(count);
  const indent = typeof width === 'string' ? width : ' '.repeat(count);
  const lines = splitLines(`${text}\n`, false);
  requireLength(text.length + lines.length * indent.length);
  const rest = lines.map((line, at) => (at > 0 && (isTrue(blank) || line !== '') ? indent + line : line));
  return (isTrue(first) ? indent : '') + rest.join('\n');
};

const truncateFilter: FilterFunction = (value, args) => {
  const parameters = [
    ['length', 255n],
    ['killwords', false],
    ['end', '...'],
    ['leeway', null],
  ] as const;
  const [length = 255n, killWords = false, end = '...', leeway = null] = bind('truncate', parameters, args);
  const [most, tail] = [requireInt(length, 'truncate'), requireText(end, 'end')];
  const tolerance = leeway === null ? 5 : requireInt(leeway, 'leeway');
  if (most < lengthOf(tail)) throw new JinjaError(`expected length >= ${lengthOf(tail)}, got ${most}`);
  if (tolerance < 0) throw new JinjaError(`expected leeway >= 0, got ${tolerance}`);
  const all = characters(requireText(value, 'truncate'));
  if (all.length <= most + tolerance) return value;
  const kept = all.slice(0, most - lengthOf(tail)).join('');
  const space = kept.lastIndexOf(' ');
  return (isTrue(killWords) || space < 0 ? kept : kept.slice(0, space)) + tail;
};

const centerFilter: FilterFunction = (value, args) => {
  const [width = 80n] = bind('center', [['width', 80n]], args);
  return centerText(textOf(value), requireInt(width, 'center'));
};

function countWords(text: string): bigint {
  return BigInt(text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0);
}

export const textFilters: Readonly<Record<string, FilterFunction>> = {
  capitalize: changed('capitalize', capitalize),
  center: centerFilter,
  indent: indentFilter,
  lower: changed('lower', (text) => text.toLowerCase()),
  replace: replaceFilter,
  title: changed('title', titleWords),
  trim: trimFilter,
  truncate: truncateFilter,
  upper: changed('upper', (text) => bounded(text.toUpperCase())),
  wordcount: changed('wordcount', countWords),
};
