/** Shows the board while it changes: a table that is drawn over itself on a terminal, a few plain lines elsewhere. */
import type { WriteStream } from 'node:tty';
import { terminalColours } from '../../report/colours.js';
import { clock, fixed, percent, whole } from '../../report/format.js';
import { type Column, formatGrid } from '../../report/grid.js';
import type { Board, RunState } from './board.js';

export interface Display {
  /** The board has changed; drawn when the last drawing is old enough. */
  update(): void;
  close(): void;
}

/** Where to draw: standard output, or what tests put in its place. */
export type Screen = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean };

const heads = ['run', 'update', 'reward', 'solved %', 'depth', 'entropy', 'buffer', 'tokens/s', ''];
const columns: readonly Column[] = heads.map((head, index) => {
  const words = index === 0 || index === heads.length - 1;
  return words ? { head, align: 'left' } : { head };
});

const nameOf = ({ method, seed }: RunState): string => (seed === null ? method : `${method} seed ${seed}`);

function cellsOf(run: RunState): string[] {
  const { metrics, phase, update, updates } = run;
  if (metrics === undefined) return [nameOf(run), ...Array.from({ length: 7 }, () => ''), phase];
  return [
    nameOf(run),
    `${whole(update)}/${whole(updates)}`,
    fixed(metrics.reward, 3),
    percent(metrics.solved),
    fixed(metrics['curriculum/depth'], 2),
    fixed(metrics.entropy, 3),
    whole(metrics['buffer/size'] ?? 0),
    whole(metrics['perf/tokens_per_second']),
    phase,
  ];
}

function leftText(board: Board): string {
  const left = board.secondsLeft();
  return left === undefined ? 'time left: measuring' : `time left: about ${clock(left)}`;
}

/** Milliseconds between two drawings. */
const pause = { terminal: 200, plain: 5000 } as const;

/** Draws over the lines it drew before. */
function drawOver(screen: Screen, board: () => Board): () => void {
  let lines = 0;
  const colours = terminalColours(true);
  return () => {
    const drawn = [...formatGrid(columns, board().runs.map(cellsOf), colours), colours.dim(leftText(board()))];
    const back = lines === 0 ? '' : `\u001b[${lines}A\u001b[0J`;
    screen.write(`${back}${drawn.join('\n')}\n`);
    lines = drawn.length;
  };
}

/** One line per run that is at work. */
function drawLines(screen: Screen, board: () => Board): () => void {
  return () => {
    for (const run of board().runs.filter(({ phase }) => phase === 'training' || phase === 'evaluating')) {
      const words = cellsOf(run).map((cell, index) =>
        heads[index] && index > 0 && cell ? `${heads[index]} ${cell}` : cell,
      );
      screen.write(`${words.filter((word) => word !== '').join('  ')}\n`);
    }
    screen.write(`${leftText(board())}\n`);
  };
}

/** Draws at once and then at most every few seconds; `close` draws the last state on a terminal. */
export function showBoard(screen: Screen, board: () => Board): Display {
  const terminal = screen.isTTY === true;
  const draw = terminal ? drawOver(screen, board) : drawLines(screen, board);
  let changed = true;
  const drawChange = (): void => {
    if (changed) draw();
    changed = false;
  };
  const timer = setInterval(drawChange, terminal ? pause.terminal : pause.plain);
  return {
    update: () => {
      changed = true;
    },
    close: () => {
      clearInterval(timer);
      if (terminal) drawChange();
    },
  };
}
