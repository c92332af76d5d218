/** JSON without silent losses: whole numbers that JavaScript would round, and keys that are given twice, are refused. */

import { shortened } from '../shown.js';

/** A number whose value would not be the written one. */
export class WrongNumber extends Error {
  constructor(
    readonly written: string,
    rule = 'is beyond 2^53 − 1, the largest whole number that is kept exactly',
  ) {
    super(`${shortened(written)} ${rule}`);
  }
}

const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses JSON. @throws SyntaxError, and WrongNumber for a whole number beyond 2^53 − 1. */
export function exactJson(text: string): unknown {
  const parsed: unknown = JSON.parse(text);
  for (const [word] of text.matchAll(token)) {
    if (/^-?\d+$/.test(word) && !Number.isSafeInteger(Number(word))) throw new WrongNumber(word);
  }
  return parsed;
}
