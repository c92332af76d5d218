/**
 * Shows the live training table of several runs: redrawn in place on a terminal, a plain line now and then elsewhere.
 * A redraw is one write that moves up and overwrites, so that nothing flickers.
 */
import { type Colours, terminalColours } from './colours.js';
import { canRedraw, csi, type Host, hideCursor, knownColumns, type Terminal } from './cursor.js';
import { formatGrid } from './grid.js';
import { type ProgressRow, type ProgressState, progressLine, progressTable } from './progress-row.js';
import { displayWidth, plainLine, truncate } from './text.js';

export type { ProgressState } from './progress-row.js';

/** The stream of a live table, its title, and replacements for clock, colours and process. */
export interface ProgressOptions {
  /** Receives the table, for example `process.stderr`. */
  readonly stream: Terminal;
  /**
   * True redraws the table in place, where the terminal can: not with TERM=dumb, in CI, or on fewer than 20 columns, 0
   * included. False writes plain lines.
   */
  readonly isTTY: boolean;
  /** The line above the table. */
  readonly title: string;
  /** Milliseconds of a monotonic clock; by default `performance.now()`. */
  readonly now?: () => number;
  readonly colours?: Colours;
  readonly host?: Host;
  /** Holds TERM and CI; by default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The live table of one or more runs. */
export interface Progress {
  /** Sets the state of one row and adds it when new; rows keep the order of their first update. */
  update(rowId: string, state: ProgressState): void;
  /** Draws the last state and shows the cursor. Later updates are ignored. */
  finish(): void;
}

const redrawMilliseconds = 125;
const lineMilliseconds = 5000;
const defaultColumns = 80;
const defaultRows = 24;

/** Counts the screen lines of `lines` on a terminal of `columns` columns, including wrapped ones. */
function screenLines(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
}

interface Painter {
  paint(rows: readonly ProgressRow[]): void;
}

function createPainter(stream: Terminal, title: string, colours: Colours): Painter {
  let drawn: readonly string[] = [];
  const formatLines = (rows: readonly ProgressRow[], columns: number) => {
    // The table must fit the screen, or moving up would stop at its top: three lines remain for title, head and cursor.
    const visible = rows.slice(-Math.max(1, (stream.rows || defaultRows) - 3));
    const table = progressTable(visible, columns);
    const grid = formatGrid(table.columns, table.rows, colours);
    return [colours.bold(truncate(title, columns)), ...grid];
  };
  const paint = (rows: readonly ProgressRow[]) => {
    // One column remains free, because a full line wraps on some terminals.
    const width = knownColumns(stream) ?? defaultColumns;
    const lines = formatLines(rows, width - 1);
    const up = screenLines(drawn, width);
    const back = up === 0 ? '' : `\r${csi}${up}A`;
    stream.write(`${back}${lines.map((line) => `${line}${csi}K\n`).join('')}${csi}J`);
    drawn = lines;
  };
  return { paint };
}

/** Redraws at most every 125 ms, and once more for states that arrive too soon after a redraw. */
function createLive({ stream, title, colours, host, now }: Required<ProgressOptions>): Progress {
  const rows = new Map<string, ProgressState>();
  const painter = createPainter(stream, plainLine(title), colours);
  const showCursor = hideCursor(stream, host);
  let lastPaint = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let open = true;
  const paint = () => {
    clearTimeout(timer);
    timer = undefined;
    lastPaint = now();
    painter.paint([...rows].map(([id, state]) => ({ id, state })));
  };
  const update = (rowId: string, state: ProgressState) => {
    if (!open) return;
    rows.set(rowId, state);
    const wait = lastPaint + redrawMilliseconds - now();
    if (wait <= 0) paint();
    // A pending redraw must not keep the process alive.
    else timer ??= setTimeout(paint, wait).unref();
  };
  const finish = () => {
    if (!open) return;
    open = false;
    if (rows.size > 0) paint();
    showCursor();
  };
  return { update, finish };
}

/** The last line that was written for a row. */
interface Written {
  readonly at: number;
  readonly state: ProgressState;
  readonly line: string;
}

/** True when a row needs a line: its first state, a new phase, its last update, or 5 s after its last line. */
function isDue(last: Written | undefined, state: ProgressState, time: number): boolean {
  if (last === undefined || last.state.phase !== state.phase) return true;
  const done = state.update >= state.updates && last.state.update < state.updates;
  return done || time - last.at >= lineMilliseconds;
}

/** Writes a plain line per row now and then; `finish` writes the last state of each row unless it was written. */
function createLog({ stream, title, now }: Required<ProgressOptions>): Progress {
  const written = new Map<string, Written>();
  const latest = new Map<string, ProgressState>();
  let open = true;
  const write = (id: string, state: ProgressState) => {
    const line = progressLine({ id, state });
    if (line === written.get(id)?.line) return;
    if (written.size === 0) stream.write(`${plainLine(title)}\n`);
    written.set(id, { at: now(), state, line });
    stream.write(`${line}\n`);
  };
  const update = (rowId: string, state: ProgressState) => {
    if (!open) return;
    latest.set(rowId, state);
    if (isDue(written.get(rowId), state, now())) write(rowId, state);
  };
  const finish = () => {
    if (open) for (const [id, state] of latest) write(id, state);
    open = false;
  };
  return { update, finish };
}

/**
 * Creates the live table of one or more runs on `stream`: redrawn in place on a terminal, plain lines elsewhere. On a
 * terminal it hides the cursor until `finish`.
 * @throws only errors of `stream.write`, also from `update` and `finish`; after `finish`, `update` has no effect.
 *
 * @example
 * import { createProgress } from 'exit-rl/report';
 *
 * const stream = process.stderr;
 * const progress = createProgress({ stream, isTTY: stream.isTTY === true, title: 'training' });
 * progress.update('exit seed 1', { update: 12, updates: 200, reward: 0.61 });
 * progress.finish();
 */
export function createProgress(options: ProgressOptions): Progress {
  const full = {
    now: () => performance.now(),
    colours: terminalColours(options.isTTY),
    host: process as Host,
    environment: process.env,
    ...options,
  };
  return options.isTTY && canRedraw(full.stream, full.environment) ? createLive(full) : createLog(full);
}
