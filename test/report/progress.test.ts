import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { terminalColours } from '../../src/report/colours.js';
import { createProgress, type ProgressState } from '../../src/report/progress.js';
import { bar, progressTable } from '../../src/report/progress-row.js';
import { displayWidth } from '../../src/report/text.js';
import { plain } from './support.js';

const esc = String.fromCharCode(27);
const hide = `${esc}[?25l`;
const show = `${esc}[?25h`;

/** A fake process that records its signals. */
class FakeHost extends EventEmitter {
  readonly pid = 7;
  readonly killed: string[] = [];
  kill(pid: number, signal: string): void {
    this.killed.push(`${pid} ${signal}`);
  }
}

class FakeStream {
  readonly writes: string[] = [];
  constructor(
    public columns = 100,
    public rows = 24,
  ) {}
  write(text: string): void {
    this.writes.push(text);
  }
  get last(): string {
    return this.writes.at(-1) ?? '';
  }
}

/** Emulates a terminal of this width for the sequences in use; returns its screen after the writes. */
function screenOf(writes: readonly string[], columns: number): string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const part of writes.join('').split(new RegExp(`(${esc}\\[[?0-9]*[A-Za-z]|\n|\r)`))) {
    if (part === '\n') {
      row += 1;
      lines[row] ??= '';
    } else if (part.startsWith(esc)) {
      const amount = Number(part.slice(2, -1));
      if (part.endsWith('A')) row -= amount;
      if (part.endsWith('J')) lines.length = row + 1;
      if (part.endsWith('J')) lines[row] = '';
      if (row < 0) throw new Error('moved above the screen');
    } else if (part !== '' && part !== '\r') {
      for (let rest = part; rest !== ''; rest = rest.slice(columns)) {
        if (rest !== part) row += 1;
        lines[row] = rest.slice(0, columns);
      }
    }
  }
  return lines;
}

const state = (update: number, more: Partial<ProgressState> = {}): ProgressState => ({
  update,
  updates: 100,
  reward: 0.5,
  solved: 0.125,
  depth: 1.5,
  entropy: 0.75,
  buffer: 64,
  tokensPerSecond: 21300,
  secondsLeft: 75,
  phase: 'training',
  ...more,
});

let milliseconds = 0;
const now = () => milliseconds;

function pass(duration: number): void {
  milliseconds += duration;
  vi.advanceTimersByTime(duration);
}

beforeEach(() => {
  milliseconds = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('on a terminal', () => {
  const start = (stream: FakeStream, host = new FakeHost()) =>
    createProgress({ stream, isTTY: true, title: 'demo', now, host, colours: plain, environment: {} });

  test('rows are redrawn in place, each redraw one write', () => {
    const stream = new FakeStream();
    const progress = start(stream);
    expect(stream.writes).toEqual([hide]);
    progress.update('grpo', state(1));
    pass(200);
    progress.update('exit', state(2));
    pass(200);
    progress.update('grpo', state(50));
    expect(stream.writes.length).toBe(4);
    expect(stream.last.startsWith(`\r${esc}[4A`)).toBe(true);
    expect(screenOf(stream.writes, stream.columns)).toEqual([
      'demo',
      'run                 update  reward  solved %  depth  entropy  buffer  tok/s  left',
      'grpo  ██████······  50/100   0.500      12.5   1.50    0.750      64  21.3k  1:15  training',
      'exit  ▎···········   2/100   0.500      12.5   1.50    0.750      64  21.3k  1:15  training',
      '',
    ]);
    progress.finish();
  });

  test.each<[string, number | undefined, Record<string, string>]>([
    ['0 columns', 0, {}],
    ['1 column', 1, {}],
    ['19 columns', 19, {}],
    ['no number of columns', Number.NaN, {}],
    ['endless columns', Number.POSITIVE_INFINITY, {}],
    ['unknown columns', undefined, {}],
    ['a dumb terminal', 100, { TERM: 'dumb' }],
    ['a log of CI', 100, { CI: 'true' }],
  ])('that cannot redraw writes plain lines: %s', (_name, columns, environment) => {
    const stream = new FakeStream();
    Object.assign(stream, { columns });
    const host = new FakeHost();
    const progress = createProgress({ stream, isTTY: true, title: 'demo', now, host, colours: plain, environment });
    progress.update('grpo', state(1));
    progress.finish();
    expect(stream.writes).toEqual(['demo\n', expect.stringMatching(/^grpo · update 1\/100 · .*training\n$/)]);
  });

  test.each([0, Number.NaN, 3])('that is resized to %s columns is drawn as one of 80', (columns) => {
    const stream = new FakeStream(80);
    const progress = start(stream);
    progress.update('grpo', state(1));
    stream.columns = columns;
    pass(200);
    progress.update('grpo', state(2));
    expect(stream.last.startsWith(`\r${esc}[3A`)).toBe(true);
    expect(stream.writes.join('')).not.toContain('Infinity');
    progress.finish();
  });

  test.each([20, 21, 40])('of %s columns is never wider than it says', (columns) => {
    const stream = new FakeStream(columns);
    const progress = start(stream);
    progress.update('grpo', state(1));
    progress.finish();
    for (const line of screenOf(stream.writes, 200)) expect(displayWidth(line)).toBeLessThan(columns);
  });

  test('with CI=false redraws', () => {
    const stream = new FakeStream();
    const environment = { CI: 'false' };
    createProgress({ stream, isTTY: true, title: 'demo', now, host: new FakeHost(), environment }).finish();
    expect(stream.writes[0]).toBe(hide);
  });

  test('redraws at most eight times a second, and always draws the last state', () => {
    const stream = new FakeStream();
    const progress = start(stream);
    for (let update = 0; update < 100; update++) {
      progress.update('exit', state(update));
      pass(10);
    }
    expect(stream.writes.length - 1).toBeLessThanOrEqual(8);
    pass(200);
    expect(stream.last).toContain('99/100');
    const writes = stream.writes.length;
    pass(10_000);
    expect(stream.writes.length).toBe(writes);
    progress.finish();
  });

  test('finish draws the last state and shows the cursor once; later updates are ignored', () => {
    const stream = new FakeStream();
    const host = new FakeHost();
    const progress = start(stream, host);
    progress.update('exit', state(1));
    progress.update('exit', state(100));
    progress.finish();
    progress.finish();
    progress.update('exit', state(3));
    pass(1000);
    expect(stream.writes.at(-2)).toContain('100/100');
    expect(stream.writes.filter((text) => text === show)).toEqual([show]);
    expect(stream.last).toBe(show);
    expect(host.eventNames()).toEqual([]);
  });

  test('the cursor is shown when the process exits', () => {
    const [stream, host] = [new FakeStream(), new FakeHost()];
    start(stream, host);
    host.emit('exit');
    expect(stream.last).toBe(show);
  });

  test('a signal ends the process when there is no other listener', () => {
    const [stream, host] = [new FakeStream(), new FakeHost()];
    start(stream, host);
    host.emit('SIGINT');
    expect(stream.last).toBe(show);
    expect(host.killed).toEqual(['7 SIGINT']);
  });

  test('a signal with another listener does not end the process', () => {
    const [stream, host] = [new FakeStream(), new FakeHost()];
    host.on('SIGINT', () => {});
    start(stream, host);
    host.emit('SIGINT');
    expect(stream.last).toBe(show);
    expect(host.killed).toEqual([]);
  });

  test('a redraw on a narrower terminal clears the wrapped lines', () => {
    const stream = new FakeStream(100);
    const progress = start(stream);
    progress.update('exit', state(1));
    pass(200);
    stream.columns = 50;
    progress.update('exit', state(2));
    // Title 1 line; head and row were up to 99 wide and now take 2 lines each.
    expect(stream.last.startsWith(`\r${esc}[5A`)).toBe(true);
    progress.finish();
  });

  test.each([200, 100, 80, 60, 40, 24])('no line is wider than %i columns', (columns) => {
    const stream = new FakeStream(columns);
    const progress = start(stream);
    progress.update('exit', state(1));
    progress.finish();
    const lines = screenOf(stream.writes, 1000);
    expect(Math.max(...lines.map(displayWidth))).toBeLessThan(columns);
    expect(lines[2]).toContain('1/100');
  });

  test('a terminal with fewer lines than rows shows the latest rows', () => {
    const stream = new FakeStream(100, 6);
    const progress = start(stream);
    for (let run = 0; run < 10; run++) progress.update(`run ${run}`, state(run));
    progress.finish();
    const lines = screenOf(stream.writes, 1000);
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(lines.at(-2)).toContain('run 9');
  });

  test('control sequences in names and phases are stripped', () => {
    const stream = new FakeStream();
    const progress = start(stream);
    progress.update(`${esc}[2Jevil`, state(1, { phase: `${esc}]0;owned\u0007on` }));
    progress.finish();
    expect(stream.writes.join('')).not.toMatch(new RegExp(`${esc}\\[2J|${esc}\\]`));
    expect(stream.writes.join('')).toContain('evil');
  });
});

describe('not on a terminal', () => {
  test('writes the first state, then a line every five seconds, on a new phase, and at the end', () => {
    const stream = new FakeStream();
    const progress = createProgress({ stream, isTTY: false, title: 'demo', now });
    for (let update = 1; update <= 60; update++) {
      progress.update('exit', state(update));
      pass(100);
    }
    progress.update('exit', state(100));
    progress.update('exit', state(100, { phase: 'evaluating' }));
    progress.finish();
    expect(stream.writes.map((line) => /update (\S+).*· (\w+)/.exec(line)?.slice(1).join(' ') ?? line)).toEqual([
      'demo\n',
      '1/100 training',
      '51/100 training',
      '100/100 training',
      '100/100 evaluating',
    ]);
    expect(stream.writes.join('')).not.toContain(esc);
  });

  test('a line omits unknown values; finish writes the last state of every row', () => {
    const stream = new FakeStream();
    const progress = createProgress({ stream, isTTY: false, title: 'demo', now });
    progress.update('a', { update: 1, updates: 9 });
    progress.update('b', { update: 1, updates: 9, reward: Number.NaN });
    progress.update('b', { update: 2, updates: 9, reward: 0.25 });
    progress.update('a', { update: 1, updates: 9 });
    progress.finish();
    progress.finish();
    expect(stream.writes).toEqual([
      'demo\n',
      'a · update 1/9\n',
      'b · update 1/9\n',
      'b · update 2/9 · reward 0.250\n',
    ]);
  });
});

describe('colours and bars', () => {
  test('NO_COLOR, a dumb terminal and a pipe are respected', () => {
    expect(terminalColours(true, {}).bold('a')).not.toBe('a');
    expect(terminalColours(true, { NO_COLOR: '1' }).bold('a')).toBe('a');
    expect(terminalColours(true, { NO_COLOR: '' }).bold('a')).not.toBe('a');
    expect(terminalColours(true, { TERM: 'dumb' }).bold('a')).toBe('a');
    expect(terminalColours(false, {}).bold('a')).toBe('a');
  });

  test('a bar always has the requested length', () => {
    for (let update = 0; update <= 130; update++) expect(bar({ update, updates: 100 }, 10).length).toBe(10);
    expect(bar({ update: 0, updates: 0 }, 4)).toBe('····');
  });

  test('a narrower terminal omits fields by rank', () => {
    const heads = (width: number) =>
      progressTable([{ id: 'a', state: state(1) }], width).columns.map(({ head }) => head);
    expect(heads(60)).toEqual(['run', 'update', 'reward', 'solved %', 'depth', 'tok/s', 'left']);
    expect(heads(20)).toEqual(['run', 'update']);
  });
});
