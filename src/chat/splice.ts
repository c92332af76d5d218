/** Assistant turns go into a conversation as the ids they were generated as. */
import { ChatTemplateError } from '../errors.js';
import { isSpace, pythonTrimStart } from './jinja/python-text.js';
import type { Marks } from './template-marks.js';

/** An assistant turn with its ids, without the end token, which the template writes. */
export interface GeneratedTurn {
  readonly tokens: Int32Array;
  /** As the template sees it: with guards. */
  readonly text: string;
  /** The text, guards left out, of the first n tokens. */
  readonly textOf: (tokens: number) => string;
}

/** A rendered conversation with splices in the places of generated turns. */
export interface Spliced {
  readonly text: string;
  readonly splices: readonly Int32Array[];
  /** The rest of each turn whose beginning the template left out, by the turn's number. */
  readonly kept: ReadonlyMap<number, string>;
}

/** White space as templates trim it. */
const isBlank = (character: string | undefined): boolean => character !== undefined && isSpace(character);

/** Where in `shown` the whole turn begins, white space aside; undefined when its beginning is not there. */
function wholeStart(shown: string, turn: string): number | undefined {
  let [at, left] = [shown.length, turn.length];
  while (left > 0) {
    if (isBlank(turn[left - 1])) left -= 1;
    else if (isBlank(shown[at - 1])) at -= 1;
    else if (at > 0 && shown[at - 1] === turn[left - 1]) [at, left] = [at - 1, left - 1];
    else return undefined;
  }
  const leading = turn.slice(0, turn.length - pythonTrimStart(turn).length);
  return shown.slice(0, at).endsWith(leading) ? at - leading.length : at;
}

function commonSuffix(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length)) length += 1;
  return length;
}

/** The first token of those whose text lies within the last `kept` characters. */
function firstKept({ tokens, textOf }: GeneratedTurn, kept: number): number {
  const whole = textOf(tokens.length);
  const dropped = whole.length - kept;
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (textOf(middle).length >= dropped) high = middle;
    else low = middle + 1;
  }
  // Behind a token that ends within a character the text of the rest is not the rest of the text.
  while (low < tokens.length && !(textOf(low).length >= dropped && whole.startsWith(textOf(low)))) low += 1;
  return low;
}

interface SplicedTurn {
  readonly before: string;
  readonly ids: Int32Array;
  /** The rest of the turn's text; undefined when the whole went in. */
  readonly kept?: string;
}

/**
 * Replaces the end of `shown`, the text that the template made of the turn, by the turn's ids. A turn that is shown in
 * full keeps all its ids, generated white space included; a turn whose beginning the template leaves out (earlier
 * thinking) keeps the ids of the rest.
 */
function spliceTurn(shown: string, turn: GeneratedTurn, guard: string): SplicedTurn {
  const start = wholeStart(shown, turn.text);
  if (start !== undefined) return { before: shown.slice(0, start), ids: turn.tokens };
  const same = turn.text.slice(turn.text.length - commonSuffix(shown, turn.text));
  const first = firstKept(turn, same.replaceAll(guard, '').length);
  const characters = turn.textOf(turn.tokens.length).length - turn.textOf(first).length;
  const kept = same.slice(same.length - guardedLength(same, characters, guard));
  return { before: shown.slice(0, shown.length - kept.length), ids: turn.tokens.subarray(first), kept };
}

/** How long the last `characters` of the text are with the guards among them. */
function guardedLength(text: string, characters: number, guard: string): number {
  let [length, left] = [0, characters];
  while (left > 0 && length < text.length) {
    length += 1;
    if (text.at(-length) !== guard) left -= 1;
  }
  return length;
}

/** Puts a splice in the place of every generated turn; two end marks enclose the turn's number. @throws ChatTemplateError. */
export function spliceTurns(rendered: string, turns: ReadonlyMap<number, GeneratedTurn>, marks: Marks): Spliced {
  const pieces = rendered.split(marks.end);
  const splices: Int32Array[] = [];
  const kept = new Map<number, string>();
  let text = pieces[0] ?? '';
  for (let at = 1; at < pieces.length; at += 2) {
    const number = Number(pieces[at]);
    const turn = turns.get(number);
    if (turn === undefined) throw new ChatTemplateError('the chat template cuts an assistant turn in two');
    const spliced = spliceTurn(text, turn, marks.guard);
    splices.push(spliced.ids);
    if (spliced.kept !== undefined) kept.set(number, spliced.kept);
    text = spliced.before + marks.splice + (pieces[at + 1] ?? '');
  }
  return { text, splices, kept };
}
