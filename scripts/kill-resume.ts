/**
 * Kills training at random moments, also while it starts, resumes and saves, and resumes it, for the given number of kills;
 * every run that reaches its end must equal the uninterrupted run byte for byte.
 *
 *     npm run build && npx tsx scripts/kill-resume.ts [--kills 200] [--seed 1] [--out FILE.json] [--set key=value …]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeCommit, describeMachine } from '../bench/lib/machine.js';
import { createRng, type Rng } from '../src/rng.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(root, 'dist/cli/main.js');
const updates = 40;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const wanted = Number(values.kills);

const settings = {
  updates,
  startsPerBatch: 2,
  groupSize: 4,
  seed: 5,
  threads: 1,
  'buffer.capacity': 16,
  'buffer.minimumFill': 4,
  'checkpoint.every': 1,
  traces: 'all',
  ...Object.fromEntries(values.set.map((pair) => pair.split('='))),
};
const begin = (folder: string): string[] => ['train', 'code-breaker', '--out', folder, ...flags()];
const flags = (): string[] => Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
const isBegun = (folder: string): boolean => existsSync(join(folder, 'config.json'));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Lines of standard output. */
  readonly lines: number;
  readonly errors: string;
}

/** Runs the command line and calls `onLine` after each update; returns how the process ended. */
function run(
  parameters: readonly string[],
  onStart: (child: ChildProcess) => void = () => {},
  onLine: (child: ChildProcess, lines: number) => void = () => {},
): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...parameters, '--json'], { cwd: root });
  const seen = { lines: 0, errors: '' };
  child.stdout.on('data', (data) => {
    seen.lines += data.toString().split('\n').length - 1;
    if (seen.lines > 0) onLine(child, seen.lines);
  });
  child.stderr.on('data', (data) => {
    seen.errors += data.toString();
  });
  onStart(child);
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...seen })));
}

/** Draws the time of a kill: half at any time from the start, half after an update, where saving begins. */
function killOnce(parameters: readonly string[], rng: Rng, startSeconds: number): Promise<Ended> {
  let planned = false;
  const killAfter = (child: ChildProcess, milliseconds: number): void => {
    planned = true;
    setTimeout(() => child.kill('SIGKILL'), milliseconds);
  };
  if (rng.next() < 0.5) return run(parameters, (child) => killAfter(child, rng.next() * 1500 * startSeconds));
  const line = 1 + rng.int(6);
  return run(
    parameters,
    () => {},
    (child, lines) => {
      if (lines >= line && !planned) killAfter(child, rng.next() * 40);
    },
  );
}

const isTime = (key: string): boolean => key === 'step_time' || key.startsWith('perf/');

/** Reads everything that must not depend on interruptions. */
function lasting(folder: string): string {
  const last = join(folder, `checkpoint-${updates}`);
  const { files } = JSON.parse(readFileSync(join(last, 'manifest.json'), 'utf8'));
  const { metricsBytes: _, ...state } = JSON.parse(readFileSync(join(last, 'state.json'), 'utf8'));
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return JSON.stringify({
    files: Object.entries(files).filter(([name]) => name !== 'state.json'),
    state,
    traces: readFileSync(join(folder, 'traces.jsonl'), 'utf8'),
    metrics: lines.map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isTime(key))),
  });
}

function refuse(message: string, ended: Ended | undefined, folder: string): never {
  console.error(`${message}; folder kept: ${folder}\n${ended?.errors ?? ''}`);
  process.exit(1);
}

type Debris = 'saving' | 'deleting' | 'locked' | 'empty';

/** Describes the state after a kill: whether a checkpoint is half written or half deleted, and whether the lock remains. */
function debris(folder: string): Record<Debris, boolean> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const some = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  return {
    saving: some(/\.tmp-/),
    deleting: some(/\.deleted-/),
    locked: some(/^run\.lock$/),
    empty: names.length === 0,
  };
}

type Count = Record<'kills' | 'resumes' | Debris, number>;

async function killToTheEnd(folder: string, rng: Rng, startSeconds: number, count: Count): Promise<void> {
  for (;;) {
    const resumed = isBegun(folder);
    const enough = count.kills >= wanted && count.resumes >= wanted;
    const parameters = resumed ? ['train', '--resume', folder] : begin(folder);
    const ended = enough ? await run(parameters) : await killOnce(parameters, rng, startSeconds);
    const killed = ended.signal === 'SIGKILL';
    if (!killed && ended.code !== 0) refuse(`a run that was not killed ended with ${ended.code}`, ended, folder);
    if (resumed && (ended.lines > 0 || ended.code === 0)) count.resumes += 1;
    if (!killed) return;
    count.kills += 1;
    const left = debris(folder);
    for (const what of ['saving', 'deleting', 'locked', 'empty'] as const) count[what] += left[what] ? 1 : 0;
    if (count.kills % 20 === 0) console.error(`${count.kills} kills, ${count.resumes} resumed`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'exit-rl-kill-'));
const began = performance.now();
let startSeconds = 0;
const twin = await run(begin(join(folder, 'twin')), undefined, () => {
  startSeconds ||= (performance.now() - began) / 1000;
});
if (twin.code !== 0) refuse('the twin failed', twin, folder);
const expected = lasting(join(folder, 'twin'));
const rng = createRng(Number(values.seed));
const count = { kills: 0, resumes: 0, saving: 0, deleting: 0, locked: 0, empty: 0 };
let runs = 0;
while (count.kills < wanted || count.resumes < wanted) {
  runs += 1;
  const killed = join(folder, `killed-${runs}`);
  await killToTheEnd(killed, rng, startSeconds, count);
  if (lasting(killed) !== expected) refuse('a killed run differs from its twin', undefined, killed);
  rmSync(killed, { recursive: true });
}
rmSync(folder, { recursive: true });
const seconds = Math.round((performance.now() - began) / 1000);
const command = ['npx tsx scripts/kill-resume.ts', ...process.argv.slice(2)].join(' ');
const result = {
  command,
  ...describeCommit(),
  machine: describeMachine(),
  ...count,
  runs,
  identicalRuns: runs,
  seconds,
};
if (values.out) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result));
