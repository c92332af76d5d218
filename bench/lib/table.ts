/** Formats results as a table for the terminal. */
import type { Summary, TableRow } from './measure.js';
import { tooBusy } from './neighbours.js';

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);

const cell = ({ median, quartiles: [low, high] }: Summary): string =>
  `${number(median)} (${number(low)}–${number(high)})`;

const head = ['measurement', 'unit', 'exit-rl: median (quartiles)', 'peer', 'ratio'];

export function printTable(rows: readonly TableRow[]): void {
  const cells = [
    head,
    ...rows.map((row) => [row.label, row.unit, cell(row.ours), cell(row.peer), `${row.ratio.toFixed(1)}×`]),
  ];
  const widths = head.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  for (const line of cells) {
    const padded = line.map((text, column) =>
      column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
    );
    console.log(padded.join('   ').trimEnd());
  }
  for (const { label, busyElsewhere = 0 } of rows) {
    if (busyElsewhere <= tooBusy) continue;
    const share = Math.round(100 * busyElsewhere);
    console.log(`not reliable: ${label}: other processes took ${share} % of the machine`);
  }
}
