/** Texts as Python has them: sequences of code points, with Python's white space, letter case and `repr`. */
import { unsupported } from './budget.js';

/** The characters for which `str.isspace` is true, as a class of a regular expression has them. */
export const spaces = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const onlySpaces = new RegExp(`^[${spaces}]+$`);
const oneSpace = new RegExp(`[${spaces}]`);

/** Python's `isspace`: false for an empty text. */
export const isSpace = (text: string): boolean => onlySpaces.test(text);

const isSpaceAt = (text: string, at: number): boolean => oneSpace.test(text[at] ?? '');

/** Python's `rstrip()`. */
export function pythonTrimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpaceAt(text, end - 1)) end--;
  return text.slice(0, end);
}

/** Python's `lstrip()`. */
export function pythonTrimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpaceAt(text, start)) start++;
  return text.slice(start);
}

/** Python's `strip()`. */
export const pythonTrim = (text: string): string => pythonTrimStart(pythonTrimEnd(text));

/** The words between white space, as `split()` finds them. */
export function words(text: string): string[] {
  return text.split(new RegExp(`[${spaces}]+`)).filter((word) => word !== '');
}

const hasPairs = (text: string): boolean => /[\ud800-\udbff][\udc00-\udfff]/.test(text);

/** Number of code points. */
export function lengthOf(text: string): number {
  return hasPairs(text) ? Array.from(text).length : text.length;
}

/** The code points, each as a text. */
export const characters = (text: string): string[] => (hasPairs(text) ? Array.from(text) : text.split(''));

/** Place in code points of a place in UTF-16 units. */
export const pointsBefore = (text: string, units: number): number => lengthOf(text.slice(0, units));

/** Compares by code points, as Python does; UTF-16 orders characters beyond U+FFFF before U+E000. */
export function compareTexts(left: string, right: string): number {
  if (!hasPairs(left) && !hasPairs(right)) return left < right ? -1 : Number(left > right);
  const [lefts, rights] = [Array.from(left), Array.from(right)];
  for (const [at, character] of lefts.entries()) {
    const other = rights[at];
    if (other === undefined) return 1;
    const difference = (character.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return lefts.length - rights.length;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python ends lines at some of them.
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** The lines as `splitlines` finds them, with their ends where these are kept. */
export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(lineEnd)) {
    lines.push(text.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  return start < text.length ? [...lines, text.slice(start)] : lines;
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapeCharacter(character: string): string {
  const known = escapes[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\U${digits.padStart(8, '0')}`;
}

/** The characters that `repr` escapes: those that are not printable, and backslashes. */
const escaped = /[\\]|(?! )[\p{C}\p{Z}]/gu;

/** Python's `repr` of a text. */
export function quoteText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(escaped, escapeCharacter);
  return `${quote}${quote === "'" ? inner.replaceAll("'", "\\'") : inner}${quote}`;
}

/** Characters whose title case is neither their upper case nor themselves. */
const ownTitle =
  /[\u01c4-\u01cc\u01f1-\u01f3\u0149\u01f0\u0390\u03b0\u0587\u10d0-\u10ff\u1e96-\u1e9a\u1f50-\u1fff\ufb00-\ufb17]/;

/** Title case of one character. */
function titleOf(character: string): string {
  if (ownTitle.test(character)) unsupported(`the title case of \`${character}\``);
  return character === 'ß' ? 'Ss' : character.toUpperCase();
}

/** Python's `capitalize`. */
export function capitalize(text: string): string {
  const [first = ''] = characters(text);
  // The whole is lowered, because the form of a sigma depends on what precedes it.
  return first === '' ? '' : titleOf(first) + text.toLowerCase().slice(first.toLowerCase().length);
}

const cased = /[\p{Lu}\p{Ll}\p{Lt}\p{Uppercase}\p{Lowercase}]/u;

/** Python's `title`: every letter behind a character that has no case begins a word. */
export function titleCase(text: string): string {
  if (/Σ/.test(text)) unsupported('`title` of a text with Σ');
  let within = false;
  return characters(text)
    .map((character) => {
      const changed = within ? character.toLowerCase() : titleOf(character);
      within = cased.test(character);
      return changed;
    })
    .join('');
}

/** Python's `swapcase`. */
export function swapCase(text: string): string {
  if (/Σ/.test(text)) unsupported('`swapcase` of a text with Σ');
  return characters(text)
    .map((character) => {
      if (/\p{Uppercase}/u.test(character)) return character.toLowerCase();
      return /\p{Lowercase}/u.test(character) ? character.toUpperCase() : character;
    })
    .join('');
}

/** True where some character has a case, and all of these are of the wanted one. */
export function hasOnlyCase(text: string, wanted: 'upper' | 'lower'): boolean {
  const [own, other] =
    wanted === 'upper' ? [/\p{Uppercase}/u, /\p{Lowercase}|\p{Lt}/u] : [/\p{Lowercase}/u, /\p{Uppercase}|\p{Lt}/u];
  return own.test(text) && !other.test(text);
}
