/** Defines the columns of the live training table, and which of them a narrow terminal omits. */
import { absent, clock, compact, fixed, percent, whole } from './format.js';
import { type Cell, type Column, gridWidth } from './grid.js';
import { plainLine, truncate } from './text.js';

/** The state of one run; an absent value is shown as a dash. */
export interface ProgressState {
  /** Finished updates. */
  readonly update: number;
  /** All updates. */
  readonly updates: number;
  readonly reward?: number;
  /** Share of rollouts with quality 1. */
  readonly solved?: number;
  /** Mean number of iterates in a start. */
  readonly depth?: number;
  /** Nats per token. */
  readonly entropy?: number;
  /** Number of starts in the buffer. */
  readonly buffer?: number;
  readonly tokensPerSecond?: number;
  readonly secondsLeft?: number;
  /** The current activity in a word: `training`, `evaluating`. */
  readonly phase?: string;
}

export interface ProgressRow {
  readonly id: string;
  readonly state: ProgressState;
}

interface Field extends Column {
  readonly show: (row: ProgressRow) => string;
  /** A narrow terminal omits the field with the highest rank first; it never omits rank 0. */
  readonly rank: number;
}

const barCells = 12;

/** Draws a bar that is filled to the share of finished updates, in eighths of a cell. */
export function bar({ update, updates }: Pick<ProgressState, 'update' | 'updates'>, cells = barCells): string {
  const share = updates > 0 ? Math.min(1, Math.max(0, update / updates)) : 0;
  const eighths = Math.round(share * cells * 8);
  const part = ' ▏▎▍▌▋▊▉'[eighths % 8] ?? ' ';
  const full = '█'.repeat(Math.floor(eighths / 8));
  return `${full}${eighths % 8 === 0 ? '' : part}`.padEnd(cells, '·');
}

const fields: readonly Field[] = [
  { head: 'run', align: 'left', rank: 0, show: ({ id }) => truncate(plainLine(id), 24) },
  { head: '', align: 'left', rank: 5, show: ({ state }) => bar(state) },
  { head: 'update', rank: 0, show: ({ state }) => `${whole(state.update)}/${whole(state.updates)}` },
  { head: 'reward', rank: 1, show: ({ state }) => fixed(state.reward, 3) },
  { head: 'solved %', rank: 1, show: ({ state }) => percent(state.solved) },
  { head: 'depth', rank: 3, show: ({ state }) => fixed(state.depth, 2) },
  { head: 'entropy', rank: 4, show: ({ state }) => fixed(state.entropy, 3) },
  { head: 'buffer', rank: 4, show: ({ state }) => whole(state.buffer) },
  { head: 'tok/s', rank: 2, show: ({ state }) => compact(state.tokensPerSecond) },
  { head: 'left', rank: 1, show: ({ state }) => clock(state.secondsLeft) },
  { head: '', align: 'left', rank: 6, show: ({ state }) => truncate(plainLine(state.phase ?? ''), 16) },
];

export interface ProgressTable {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

const isFinished = ({ state }: ProgressRow) => state.updates > 0 && state.update >= state.updates;

function buildTable(shown: readonly Field[], rows: readonly ProgressRow[]): ProgressTable {
  const cells = rows.map((row) =>
    shown.map(({ show }): Cell => (isFinished(row) ? { text: show(row), tone: 'dim' } : show(row))),
  );
  return { columns: shown, rows: cells };
}

/** Builds the table in at most `width` columns; it omits whole fields, the least important first. */
export function progressTable(rows: readonly ProgressRow[], width: number): ProgressTable {
  const ranks = [...new Set(fields.map(({ rank }) => rank))].sort((one, other) => other - one);
  const choices = ranks.map((most) =>
    buildTable(
      fields.filter(({ rank }) => rank <= most),
      rows,
    ),
  );
  return choices.find((table) => gridWidth(table.columns, table.rows) <= width) ?? (choices.at(-1) as ProgressTable);
}

/** Formats the state as one line for logs, with known values only. */
export function progressLine({ id, state }: ProgressRow): string {
  const known = fields.slice(2, -1).flatMap((field) => {
    const text = field.show({ id, state });
    return text === absent ? [] : [`${field.head} ${text}`];
  });
  return [plainLine(id), ...known, plainLine(state.phase ?? '')].filter((part) => part !== '').join(' · ');
}
