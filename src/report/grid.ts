/** Aligns columns for a terminal. It makes every cell printable, so callers may pass untrusted text. */
import type { Colours } from './colours.js';
import { displayWidth, pad, plainLine } from './text.js';

export interface Column {
  readonly head: string;
  /** `right`, the default, for numbers; `left` for words. */
  readonly align?: 'left' | 'right';
}

export interface ToneCell {
  readonly text: string;
  readonly tone: 'bold' | 'dim';
}

export type Cell = string | ToneCell;

const gap = '  ';
const plainCell = (cell: Cell | undefined) => plainLine(typeof cell === 'object' ? cell.text : (cell ?? ''));

function paint(cell: Cell | undefined, padded: string, colours: Colours): string {
  if (typeof cell !== 'object') return padded;
  return cell.tone === 'bold' ? colours.bold(padded) : colours.dim(padded);
}

/** Returns the width of each column in terminal columns: the widest of head and cells. */
function columnWidths(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number[] {
  return columns.map((column, index) =>
    Math.max(displayWidth(plainLine(column.head)), ...rows.map((row) => displayWidth(plainCell(row[index])))),
  );
}

/** Returns the width of a grid in terminal columns, including gaps. */
export function gridWidth(columns: readonly Column[], rows: readonly (readonly Cell[])[]): number {
  const widths = columnWidths(columns, rows);
  return widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));
}

/** Formats the head and one line per row, without line ends and trailing blanks. */
export function formatGrid(columns: readonly Column[], rows: readonly (readonly Cell[])[], colours: Colours): string[] {
  const widths = columnWidths(columns, rows);
  const line = (cells: readonly Cell[], style: (cell: Cell | undefined, padded: string) => string) =>
    columns
      .map((column, index) =>
        style(cells[index], pad(plainCell(cells[index]), widths[index] ?? 0, column.align ?? 'right')),
      )
      .join(gap)
      .trimEnd();
  const head = line(
    columns.map((column) => column.head),
    (_cell, padded) => colours.dim(padded),
  );
  return [head, ...rows.map((row) => line(row, (cell, padded) => paint(cell, padded, colours)))];
}
