/** Results as a table for the terminal. */
import { tooBusy } from './neighbours.mjs';

const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

const cell = ({ median, quartiles: [low, high] }) => `${number(median)} (${number(low)}–${number(high)})`;

const head = ['measurement', 'unit', 'exit-rl: median (quartiles)', 'peer', 'ratio'];

export function printTable(rows) {
  const cells = [
    head,
    ...rows.map((row) => [row.label, row.unit, cell(row.ours), cell(row.peer), `${row.ratio.toFixed(1)}×`]),
  ];
  const widths = head.map((_, column) => Math.max(...cells.map((line) => line[column].length)));
  for (const line of cells) {
    const padded = line.map((text, column) =>
      column < 2 ? text.padEnd(widths[column]) : text.padStart(widths[column]),
    );
    console.log(padded.join('   ').trimEnd());
  }
  for (const { label, busyElsewhere } of rows.filter((row) => row.busyElsewhere > tooBusy)) {
    const share = Math.round(100 * busyElsewhere);
    console.log(`not reliable: ${label}: other processes took ${share} % of the machine`);
  }
}
