/**
 * Measures whether the time of an update grows with the run: trains thousands of ExIt updates through `train` with a scripted
 * policy and a task with an unlimited number of starts, and compares the time of update 100 with that of the last ones.
 *
 *   npx tsx bench/growth.ts [--updates 10000] [--out FILE]
 *
 * It passes a signal as the command line does, because every update must then be cancellable.
 */
import { writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { parseConfig } from '../src/config/parse.js';
import type { Embedder } from '../src/embedder/embedder.js';
import type { Completion, Policy } from '../src/policy/policy.js';
import { createRng } from '../src/rng.js';
import { train } from '../src/run/train.js';
import type { TaskFamily } from '../src/task/task.js';
import { describeCommit, describeMachine } from './lib/machine.js';

const { values } = parseArgs({ options: { updates: { type: 'string', default: '10000' }, out: { type: 'string' } } });
const updates = Number(values.updates);
const [startsPerBatch, groupSize] = [16, 4];

const tasks = Array.from({ length: 1000 }, (_, at) => ({ id: `task-${at}`, data: at }));

/** Quality is a pseudo-random function of the answer, so that groups have a signal and histories stay distinct. */
const family: TaskFamily = {
  name: 'endless',
  turns: 1,
  tasks: () => tasks,
  prompt: (task, history) => `${task.id} ${history.turns.at(-1)?.iterates.at(-1)?.text ?? ''}`,
  verify: (_task, _history, answer) => ({ quality: (Number(answer) % 11) / 10, wellFormed: true }),
};

const complete = (seed: number, requestId: number, member: number): Completion => {
  const text = String(createRng(seed).fork('answer', requestId, member).int(1e9));
  return { text, tokens: Int32Array.from(text, Number), logprobs: new Float32Array(text.length), finishReason: 'stop' };
};

const policy: Policy = {
  version: 0,
  generate: async ({ n, seed, requestId }) => ({
    promptTokens: Int32Array.of(1, 2, 3),
    completions: Array.from({ length: n }, (_, member) => complete(seed, requestId, member)),
  }),
  update: async () => ({ loss: 0 }),
  blendReference: async () => {},
  logprobs: () => Promise.reject(new Error('the scripted policy has no log-probabilities')),
  save: () => Promise.reject(new Error('nothing is saved')),
  snapshot: () => Promise.reject(new Error('nothing is saved')),
  loadTraining: async () => {},
  close: async () => {},
};

const embedder: Embedder = {
  dimension: 4,
  embed: async (inputs) => Float32Array.from(inputs.flatMap(({ text }) => [text.length, Number(text.at(-1)), 1, 0])),
};

const config = parseConfig({
  task: 'endless',
  model: 'none',
  method: 'exit',
  updates,
  startsPerBatch,
  groupSize,
  buffer: { capacity: 512, minimumFill: 128 },
});
const milliseconds: number[] = [];
let before = performance.now();
const onUpdate = (): void => {
  const now = performance.now();
  milliseconds.push(now - before);
  before = now;
};
let distinct = 0;
await train({
  config,
  policy,
  family,
  embedder,
  signal: new AbortController().signal,
  onUpdate: (row) => {
    distinct = row['curriculum/distinct_starts'] ?? 0;
    onUpdate();
  },
});

const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const window = (end: number): number => median(milliseconds.slice(Math.max(0, end - 50), end + 50));
const early = window(100);
const late = window(updates - 50);
const result = {
  ...describeMachine(),
  ...describeCommit(),
  updates,
  startsPerBatch,
  groupSize,
  distinctStarts: distinct,
  millisecondsAtUpdate100: early,
  [`millisecondsAtUpdate${updates}`]: late,
  ratio: late / early,
};
console.log(JSON.stringify(result, null, 2));
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
