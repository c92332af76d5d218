/** Results as a table for the terminal. */

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
}
