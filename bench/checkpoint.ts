/**
 * npx tsx bench/checkpoint.ts [--repeats 5] [--threads N]
 *
 * Measures how long training pauses for a checkpoint of a model of about 100 million parameters (fp32, AdamW), saved
 * asynchronously and synchronously in turn, and checks that both write the same bytes. Writes
 * bench/results/checkpoint-DATE.json.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseConfig, type RunConfig } from '../src/config/parse.js';
import { updateSettings } from '../src/method/update-settings.js';
import { LocalPolicy } from '../src/policy/local-policy.js';
import { openRun } from '../src/run/run.js';
import { createSaver } from '../src/run/saver.js';
import { codeBreaker } from '../src/task/code-breaker/family.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { secondsOf, summarise } from './lib/measure.js';
import { watchNeighbours } from './lib/neighbours.js';
import { writeRandomModel } from './lib/random-model.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const { values } = parseArgs({ options: { repeats: { type: 'string' }, threads: { type: 'string' } } });
const repeats = Number(values.repeats ?? 5);
const threads = Number(values.threads ?? availableParallelism());
const scratch = mkdtempSync(join(tmpdir(), 'exit-rl-bench-checkpoint-'));

interface Saved {
  readonly pause: number;
  readonly total: number;
  readonly folder: string;
}

interface ManifestEntry {
  readonly size: number;
  readonly sha256: string;
}

/** Reads the files of a checkpoint from its manifest. */
const filesIn = (folder: string): Readonly<Record<string, ManifestEntry>> =>
  JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')).files;

/** Makes one update, so that the optimizer's moments hold numbers instead of untouched memory. */
async function trainOnce(policy: LocalPolicy, config: RunConfig): Promise<void> {
  const prompts = [Int32Array.of(1, 3, 13, 20)];
  const tokens = Int32Array.of(14, 21, 2);
  const sequences = [1, -1].map((advantage, rollout) => ({ prompt: 0, tokens, rollout, advantage }));
  await policy.update({ prompts, sequences }, updateSettings(config, 1));
}

async function main() {
  const model = join(scratch, 'model');
  const parameters = writeRandomModel(model, join(root, 'models/tiny'));
  const config = parseConfig({ task: 'code-breaker', model, threads, device: 'cpu' });
  const family = codeBreaker();
  const policy = await LocalPolicy.load(model, { device: 'cpu', threads });
  await trainOnce(policy, config);
  const run = await openRun({ config: { ...config, model: '' }, family, path: join(scratch, 'run') });
  const curriculum = { kind: 'uniform' } as const;
  let update = 0;

  /** Seconds that training pauses, and seconds until the checkpoint is on the disk. */
  const save = async (asynchronous: boolean): Promise<Saved> => {
    const saver = createSaver({ run, policy, settings: { every: 1, keep: 2, asynchronous } });
    update += 1;
    const progress = { update, trained: update, tokens: 0, nonFinite: 0 };
    const began = performance.now();
    const pause = await secondsOf(() => saver.save({ progress, curriculum }));
    const folder = await saver.finish();
    if (folder === undefined) throw new Error('the saver wrote no checkpoint');
    return { pause, total: (performance.now() - began) / 1000, folder };
  };

  const synchronous: number[] = [];
  const asynchronous: number[] = [];
  const asynchronousTotal: number[] = [];
  await save(false);
  const neighbours = watchNeighbours([process.pid]);
  for (let repeat = 0; repeat < repeats; repeat++) {
    const plain = await save(false);
    const beside = await save(true);
    synchronous.push(plain.pause);
    asynchronous.push(beside.pause);
    asynchronousTotal.push(beside.total);
    for (const name of ['model.safetensors', 'training.safetensors']) {
      if (filesIn(plain.folder)[name]?.sha256 !== filesIn(beside.folder)[name]?.sha256)
        throw new Error(`${name} differs`);
    }
  }
  const busyElsewhere = neighbours();
  const sizes = Object.values(filesIn(join(run.folder.path, `checkpoint-${update}`)));
  const seconds = {
    synchronous: summarise(synchronous),
    asynchronous: summarise(asynchronous),
    asynchronousTotal: summarise(asynchronousTotal),
  };
  const share = seconds.asynchronous.median / seconds.synchronous.median;
  await run.close();
  await policy.close();
  return {
    command: ['npx tsx bench/checkpoint.ts', ...process.argv.slice(2)].join(' '),
    ...describeCommit(),
    machine: describeMachine(),
    parameters,
    threads,
    checkpointBytes: sizes.reduce((sum, { size }) => sum + size, 0),
    seconds,
    pauseShare: share,
    sameBytes: true,
    busyElsewhere,
  };
}

try {
  const result = await main();
  const file = join(root, 'bench/results', `checkpoint-${new Date().toISOString().slice(0, 10)}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  const { synchronous, asynchronous } = result.seconds;
  const pause = `${asynchronous.median.toFixed(3)} s of ${synchronous.median.toFixed(3)} s`;
  console.log(`training pauses for ${pause} (${(100 * result.pauseShare).toFixed(1)} %): ${file}`);
} finally {
  rmSync(scratch, { recursive: true });
}
