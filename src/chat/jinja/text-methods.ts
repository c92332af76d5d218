/** The methods of `str`. */
import { bind, bindPositional, type Parameter, requireInt, requireText } from './bind-arguments.js';
import { bounded, JinjaError, requireLength, unsupported } from './budget.js';
import {
  capitalize,
  characters,
  hasOnlyCase,
  isSpace,
  lengthOf,
  pointsBefore,
  pythonTrimEnd,
  pythonTrimStart,
  splitLines,
  swapCase,
  titleCase,
  words,
} from './python-text.js';
import { type Arguments, iterate, Tuple, typeName, type Value } from './values.js';

export type Method = (text: string, args: Arguments) => Value;

/** Texts without the characters at their ends; white space where none are given. */
function strip(text: string, chars: Value, name: string, start: boolean, end: boolean): string {
  if (chars === null) {
    const cut = end ? pythonTrimEnd(text) : text;
    return start ? pythonTrimStart(cut) : cut;
  }
  const given = new Set(characters(requireText(chars, `${name} arg`)));
  const all = characters(text);
  let [from, to] = [0, all.length];
  while (start && from < to && given.has(all[from] as string)) from++;
  while (end && to > from && given.has(all[to - 1] as string)) to--;
  return all.slice(from, to).join('');
}

const stripMethod =
  (name: string, start: boolean, end: boolean): Method =>
  (text, args) => {
    const [chars = null] = bindPositional(name, [['chars', null]], args);
    return strip(text, chars, name, start, end);
  };

/** `str.strip(chars)`. */
export const stripText = (text: string, chars: Value): string => strip(text, chars, 'strip', true, true);

function splitBy(text: string, separator: string, most: number, fromEnd: boolean): string[] {
  if (separator === '') throw new JinjaError('empty separator');
  const parts = text.split(separator);
  if (most < 0 || parts.length - 1 <= most) return parts;
  if (fromEnd) return [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)];
  return [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** Splits at white space, so often at most; the rest keeps the white space at its other end. */
function splitWords(text: string, most: number, fromEnd: boolean): string[] {
  if (most < 0) return words(text);
  const found: string[] = [];
  let rest = fromEnd ? pythonTrimEnd(text) : pythonTrimStart(text);
  while (rest !== '' && found.length < most) {
    const [word] = fromEnd ? words(rest).slice(-1) : words(rest);
    if (word === undefined) break;
    found.push(word);
    rest = fromEnd ? pythonTrimEnd(rest.slice(0, rest.length - word.length)) : pythonTrimStart(rest.slice(word.length));
  }
  const all = rest === '' ? found : [...found, rest];
  return fromEnd ? all.reverse() : all;
}

const splitMethod =
  (name: string, fromEnd: boolean): Method =>
  (text, args) => {
    const [separator = null, most = -1n] = bind(
      name,
      [
        ['sep', null],
        ['maxsplit', -1n],
      ],
      args,
    );
    const count = requireInt(most, name);
    if (separator === null) return bounded(splitWords(text, count, fromEnd));
    return bounded(splitBy(text, requireText(separator, 'separator'), count, fromEnd));
  };

/** The part of the text between two places in code points, as slices count them. */
function part(text: string, start: Value, end: Value): [text: string, start: number] {
  if (start === null && end === null) return [text, 0];
  const all = characters(text);
  const place = (value: Value, otherwise: number): number => {
    if (value === null) return otherwise;
    const given = requireInt(value, 'slice indices');
    return given < 0 ? Math.max(0, given + all.length) : given;
  };
  const from = place(start, 0);
  return from > all.length ? ['', -1] : [all.slice(from, place(end, all.length)).join(''), from];
}

const range: readonly Parameter[] = [
  ['start', null],
  ['end', null],
];

const findMethod =
  (name: string, fromEnd: boolean, refuses: boolean): Method =>
  (text, args) => {
    const [wanted = null, start = null, end = null] = bindPositional(name, ['sub', ...range], args);
    const [searched, offset] = part(text, start, end);
    const sub = requireText(wanted, name);
    const at = offset < 0 ? -1 : fromEnd ? searched.lastIndexOf(sub) : searched.indexOf(sub);
    if (at >= 0) return BigInt(offset + pointsBefore(searched, at));
    if (refuses) throw new JinjaError('substring not found');
    return -1n;
  };

const affixMethod =
  (name: string, fits: (text: string, affix: string) => boolean): Method =>
  (text, args) => {
    const [affix = null, start = null, end = null] = bindPositional(name, ['affix', ...range], args);
    const [searched, offset] = part(text, start, end);
    const affixes = affix instanceof Tuple ? affix.items : [affix];
    return affixes.some((one) => offset >= 0 && fits(searched, requireText(one, `${name} first arg`)));
  };

const replaceMethod: Method = (text, args) => {
  const [old = null, fresh = null, count = -1n] = bindPositional('replace', ['old', 'new', ['count', -1n]], args);
  return replaceText(
    text,
    requireText(old, 'replace() argument 1'),
    requireText(fresh, 'replace() argument 2'),
    requireInt(count, 'replace'),
  );
};

/** `str.replace`, with a limit where it is not negative. */
export function replaceText(text: string, old: string, fresh: string, most: number): string {
  const parts = old === '' ? ['', ...characters(text), ''] : text.split(old);
  const times = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
  requireLength(text.length + times * (fresh.length - old.length));
  const rest = parts.slice(times).join(old);
  return times === 0 ? text : parts.slice(0, times).concat(rest).join(fresh);
}

const joinMethod: Method = (text, args) => {
  const [items = null] = bindPositional('join', ['iterable'], args);
  const texts: string[] = [];
  let length = 0;
  for (const item of iterate(items)) {
    if (typeof item !== 'string')
      throw new JinjaError(`sequence item ${texts.length}: expected str instance, ${typeName(item)} found`);
    length += item.length + text.length;
    requireLength(length);
    texts.push(item);
  }
  return texts.join(text);
};

const fillMethod =
  (name: string, fill: (missing: number, width: number) => number): Method =>
  (text, args) => {
    const [width = 0n, character = ' '] = bindPositional(name, ['width', ['fillchar', ' ']], args);
    const wanted = requireInt(width, name);
    requireLength(wanted);
    const missing = wanted - lengthOf(text);
    if (lengthOf(requireText(character, 'fillchar')) !== 1)
      throw new JinjaError('The fill character must be exactly one character long');
    if (missing <= 0) return text;
    const left = fill(missing, wanted);
    return (character as string).repeat(left) + text + (character as string).repeat(missing - left);
  };

/** Characters to the left of a text that is centred. */
const centred = (missing: number, width: number): number => (missing >> 1) + (missing & width & 1);

/** `str.center(width)`. */
export function centerText(text: string, width: number): string {
  requireLength(width);
  const missing = Math.max(0, width - lengthOf(text));
  const left = missing === 0 ? 0 : centred(missing, width);
  return ' '.repeat(left) + text + ' '.repeat(missing - left);
}

const zeroFill: Method = (text, args) => {
  const [width = 0n] = bindPositional('zfill', ['width'], args);
  const wanted = requireInt(width, 'zfill');
  requireLength(wanted);
  const missing = Math.max(0, wanted - lengthOf(text));
  const sign = /^[+-]/.test(text) ? text.slice(0, 1) : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
};

const partitionMethod =
  (name: string, fromEnd: boolean): Method =>
  (text, args) => {
    const [separator = null] = bindPositional(name, ['sep'], args);
    const sep = requireText(separator, name);
    if (sep === '') throw new JinjaError('empty separator');
    const at = fromEnd ? text.lastIndexOf(sep) : text.indexOf(sep);
    if (at < 0) return new Tuple(fromEnd ? ['', '', text] : [text, '', '']);
    return new Tuple([text.slice(0, at), sep, text.slice(at + sep.length)]);
  };

const removeMethod =
  (name: string, cut: (text: string, affix: string) => string): Method =>
  (text, args) => {
    const [affix = null] = bindPositional(name, ['affix'], args);
    return cut(text, requireText(affix, `${name}() argument`));
  };

const countMethod: Method = (text, args) => {
  const [wanted = null, start = null, end = null] = bindPositional('count', ['sub', ...range], args);
  const [searched, offset] = part(text, start, end);
  const sub = requireText(wanted, 'count');
  if (offset < 0) return 0n;
  return BigInt(sub === '' ? lengthOf(searched) + 1 : searched.split(sub).length - 1);
};

const linesMethod: Method = (text, args) => {
  const [keepEnds = false] = bind('splitlines', [['keepends', false]], args);
  return bounded(splitLines(text, keepEnds === true || (typeof keepEnds === 'bigint' && keepEnds !== 0n)));
};

const plain =
  (name: string, change: (text: string) => Value): Method =>
  (text, args) => {
    bindPositional(name, [], args);
    return change(text);
  };

/** A test of every character; false for an empty text. */
const every =
  (pattern: RegExp) =>
  (text: string): boolean =>
    text !== '' && pattern.test(text);

function isDigits(text: string, name: string): boolean {
  if (/[^\p{ASCII}\p{L}\p{Nd}]/u.test(text)) unsupported(`\`${name}\` of \`${text.slice(0, 20)}\``);
  return /^\p{Nd}+$/u.test(text);
}

const folded: Method = plain('casefold', (text) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII.
  if (/[^\x00-\x7f]/.test(text)) unsupported('`casefold` beyond ASCII');
  return text.toLowerCase();
});

/** The methods by their names, but for `format`, which reads attributes. */
export const textMethods: Readonly<Record<string, Method>> = {
  capitalize: plain('capitalize', capitalize),
  casefold: folded,
  center: fillMethod('center', centred),
  count: countMethod,
  endswith: affixMethod('endswith', (text, affix) => text.endsWith(affix)),
  find: findMethod('find', false, false),
  index: findMethod('index', false, true),
  isalnum: plain(
    'isalnum',
    (text) =>
      every(/^[\p{L}\p{Nd}]+$/u)(text) ||
      (!every(/^\p{ASCII}+$/u)(text) && isDigits(text.replace(/\p{L}/gu, '') || '0', 'isalnum') && text !== ''),
  ),
  isalpha: plain('isalpha', every(/^\p{L}+$/u)),
  isascii: plain('isascii', (text) => text === '' || every(/^\p{ASCII}+$/u)(text)),
  isdecimal: plain('isdecimal', every(/^\p{Nd}+$/u)),
  isdigit: plain('isdigit', (text) => isDigits(text, 'isdigit')),
  isidentifier: plain('isidentifier', every(/^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}·]*$/u)),
  islower: plain('islower', (text) => hasOnlyCase(text, 'lower')),
  isnumeric: plain('isnumeric', (text) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII.
    if (/[^\x00-\x7f]/.test(text)) unsupported('`isnumeric` beyond ASCII');
    return /^[0-9]+$/.test(text);
  }),
  isspace: plain('isspace', isSpace),
  isupper: plain('isupper', (text) => hasOnlyCase(text, 'upper')),
  join: joinMethod,
  ljust: fillMethod('ljust', () => 0),
  lower: plain('lower', (text) => text.toLowerCase()),
  lstrip: stripMethod('lstrip', true, false),
  partition: partitionMethod('partition', false),
  removeprefix: removeMethod('removeprefix', (text, affix) =>
    text.startsWith(affix) ? text.slice(affix.length) : text,
  ),
  removesuffix: removeMethod('removesuffix', (text, affix) =>
    affix !== '' && text.endsWith(affix) ? text.slice(0, -affix.length) : text,
  ),
  replace: replaceMethod,
  rfind: findMethod('rfind', true, false),
  rindex: findMethod('rindex', true, true),
  rjust: fillMethod('rjust', (missing) => missing),
  rpartition: partitionMethod('rpartition', true),
  rsplit: splitMethod('rsplit', true),
  rstrip: stripMethod('rstrip', false, true),
  split: splitMethod('split', false),
  splitlines: linesMethod,
  startswith: affixMethod('startswith', (text, affix) => text.startsWith(affix)),
  strip: stripMethod('strip', true, true),
  swapcase: plain('swapcase', swapCase),
  title: plain('title', titleCase),
  upper: plain('upper', (text) => bounded(text.toUpperCase())),
  zfill: zeroFill,
};

/** Python's `format_map` and what else of `str` is not here: `encode`, `expandtabs`, `translate` and others. */
export const otherTextAttributes = [
  'encode',
  'expandtabs',
  'format_map',
  'isprintable',
  'istitle',
  'maketrans',
  'translate',
];
