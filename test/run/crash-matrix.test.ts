/**
 * Recovers from every state that a crash could leave of a run: the recovery never fails, never takes a damaged checkpoint or
 * one older than the last durable one, and restores the lines of metrics and traces to the byte.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifest } from '../../src/disk/manifest.js';
import { latestCheckpoint } from '../../src/run/checkpoint.js';
import { openRun, type Run } from '../../src/run/run.js';
import { createSaver } from '../../src/run/saver.js';
import { createMemoryDisk, type MemoryDisk } from './support/crash/memory-disk.js';
import { family, recordScenario, type Scenario } from './support/crash/scenario.js';
import { type CrashState, crashStates } from './support/crash/states.js';

const wanted = 10_000;
/** Every so many states the test also continues the run and saves. */
const continueEvery = 25;

let root = '';
let scenario: Scenario;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-crash-'));
  scenario = await recordScenario(root);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Returns the update that a crash after `length` operations must not lose. */
const promisedAt = (length: number): number | undefined =>
  scenario.promises.filter(({ after }) => after <= length).at(-1)?.update;

// Names a missing model folder, because hashing a real one for every state would only take time.
const recover = (disk: MemoryDisk): Promise<Run> =>
  openRun({ config: { ...scenario.config, model: 'elsewhere' }, family, path: scenario.run, resume: true, disk });

const nothing = { metrics: '', traces: '' };

async function checkLines(disk: MemoryDisk, run: Run): Promise<void> {
  const text = (name: string): string => disk.tree.read(join(scenario.run, name)).toString();
  const checkpoint = run.resumed?.checkpoint;
  const known = checkpoint ? scenario.saved.get((await readManifest(disk, checkpoint)).sha256) : [nothing];
  expect(known).toContainEqual({ metrics: text('metrics.jsonl'), traces: text('traces.jsonl') });
}

async function checkState({ length, tree }: CrashState): Promise<Run> {
  const disk = createMemoryDisk(tree);
  const promised = promisedAt(length);
  // The command line reads config.json before it opens the run.
  const config = join(scenario.run, 'config.json');
  if (promised !== undefined) expect(JSON.parse(tree.read(config).toString())).toMatchObject({ task: 'one-rung' });
  const run = await recover(disk);
  if (promised !== undefined) expect(run.resumed?.state.progress.update).toBeGreaterThanOrEqual(promised);
  await checkLines(disk, run);
  return run;
}

/** Makes one more update in the recovered run, saves, and finds the checkpoint. */
async function checkGoingOn(run: Run): Promise<void> {
  const disk = run.folder.disk as MemoryDisk;
  const update = (run.resumed?.state.progress.update ?? 0) + 1;
  const snapshot = async () => ({
    async write(folder: string) {
      await disk.write(join(folder, 'model.safetensors'), 'weights');
      const sha256 = createHash('sha256').update('weights').digest('hex');
      return [{ name: 'model.safetensors', size: 7, sha256 }];
    },
  });
  await run.folder.metrics.append([{ update }]);
  const saver = createSaver({ run, policy: { snapshot }, settings: scenario.config.checkpoint });
  await saver.save({ progress: { update, trained: update, tokens: 0, nonFinite: 0 }, curriculum: { kind: 'uniform' } });
  await saver.finish();
  await run.close();
  expect((await latestCheckpoint(scenario.run, () => {}, disk))?.update).toBe(update);
}

test('the recorded run contains every kind of operation that a crash can interrupt', () => {
  const kinds = new Set(scenario.operations.map(({ kind }) => kind));
  expect([...kinds].sort()).toEqual(['cut', 'enter', 'leave', 'move', 'sync', 'write']);
  const moves = scenario.operations.flatMap((one) => (one.kind === 'move' ? [one.to] : []));
  for (const name of [
    /^checkpoint-5\.corrupt$/,
    /^checkpoint-10\.superseded/,
    /^checkpoint-1\.deleted/,
    /run\.lock\.stale/,
  ])
    expect(moves.some((to) => name.test(to))).toBe(true);
  expect(scenario.promises.map(({ update }) => update)).toEqual([
    1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 10, 9, 10, 11, 12, 13, 14,
  ]);
});

test(`recovers from each of more than ${wanted} crash states`, async () => {
  const seen = new Set<string>();
  const trees = new Set<string>();
  for (const state of crashStates(root, scenario.operations, 46)) {
    const tree = createHash('sha1').update(state.tree.listing().join('\n')).digest('base64');
    const key = `${promisedAt(state.length)} ${tree}`;
    if (seen.has(key)) continue;
    seen.add(key);
    trees.add(tree);
    try {
      const run = await checkState(state);
      if (seen.size % continueEvery === 0) await checkGoingOn(run);
    } catch (error) {
      throw new Error(`crash after operation ${state.length}: ${(error as Error).message}`, { cause: error });
    }
  }
  console.log(`${scenario.operations.length} operations, ${trees.size} distinct crash states`);
  expect(trees.size).toBeGreaterThan(wanted);
}, 240_000);
