/** Marks a row against the code, and derives the colours that marked rows leave possible. */
import { colourCount, type Mark, markedWord, type Row, slotCount } from './words.js';

/** Marks each slot of `row`; how often a colour occurs in the code does not matter. */
export function markRow(code: Row, row: Row): Mark[] {
  return row.map((colour, slot) => {
    if (colour === code[slot]) return 'hit';
    return code.includes(colour) ? 'present' : 'absent';
  });
}

/** Writes the row with its marks, as prompts show it: `a1x b4~ c2= d1x e6x`. */
export function markedText(code: Row, row: Row): string {
  const marks = markRow(code, row);
  return row.map((colour, slot) => markedWord(slot, colour, marks[slot] as Mark)).join(' ');
}

/** Returns the fraction of slots that equal the code, in [0, 1]. */
export function rowQuality(code: Row, row: Row): number {
  return code.filter((colour, slot) => colour === row[slot]).length / slotCount;
}

/**
 * Returns, for each slot, the colours that the marks of `rows` leave possible: an absent colour is possible nowhere,
 * a present one not at its slot, and at the slot of a hit only that colour.
 */
export function openColours(code: Row, rows: readonly Row[]): number[][] {
  const open = code.map(() => new Set(Array.from({ length: colourCount }, (_, colour) => colour)));
  const marked = rows.flatMap((row) =>
    markRow(code, row).map((mark, slot) => ({ mark, slot, colour: row[slot] ?? 0 })),
  );
  for (const { mark, slot, colour } of marked) {
    if (mark === 'present') open[slot]?.delete(colour);
    if (mark === 'absent') for (const colours of open) colours.delete(colour);
  }
  // A hit decides its slot whatever the other marks are, so hits are applied last.
  for (const { mark, slot, colour } of marked) if (mark === 'hit') open[slot] = new Set([colour]);
  return open.map((colours) => [...colours]);
}
