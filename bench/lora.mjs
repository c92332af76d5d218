/**
 * node bench/lora.mjs [--repeats 5] [--threads N]
 *
 * Training an adapter of rank 16 against training all weights, on libtorch, of a model of about 100 million parameters in
 * fp32: CPU seconds of an update and of sampling, each variant in a process of its own, in turn, and the most memory that
 * it took. Writes bench/results/lora-DATE.json.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseConfig } from '../dist/src/config.js';
import { LocalPolicy } from '../dist/src/policy/local.js';
import { updateSettings } from '../dist/src/trainer/update-settings.js';
import { describeCommit, describeMachine } from './lib/machine.mjs';
import { summarise } from './lib/measure.mjs';
import { watchNeighbours } from './lib/neighbours.mjs';
import { writeRandomModel } from './lib/random-model.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const options = Object.fromEntries(
  ['repeats', 'threads', 'variant', 'model'].map((name) => [name, { type: 'string' }]),
);
const { values } = parseArgs({ options });
const repeats = Number(values.repeats ?? 5);
const threads = Number(values.threads ?? availableParallelism());
const variants = {
  'all weights': {},
  adapter: { lora: { rank: 16, alpha: 32 } },
  'adapter, dropout 0.1': { lora: { rank: 16, alpha: 32, dropout: 0.1 } },
};

const prompts = [0, 1, 2, 3].map((prompt) => Int32Array.from({ length: 32 }, (_, at) => 4 + ((prompt * 7 + at) % 50)));
const sequences = prompts.flatMap((_, prompt) =>
  [0, 1, 2, 3].map((member) => ({
    prompt,
    rollout: 4 * prompt + member,
    advantage: member - 1.5,
    tokens: Int32Array.from({ length: 16 }, (_, at) => 4 + ((member * 5 + at) % 50)),
  })),
);

async function cpuSeconds(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** In a process of its own: what one variant costs. */
async function measure(name) {
  const model = values.model;
  const settings = updateSettings(parseConfig({ task: 'code-breaker', model, threads, device: 'cpu' }), 1);
  const policy = await LocalPolicy.load(model, { device: 'cpu', threads, backend: 'torch', ...variants[name] });
  const sample = (prompt, requestId) =>
    policy.generate({ prompt, n: 4, seed: 1, requestId, sampling: { temperature: 1, maxNewTokens: 16 } });
  await policy.update({ prompts, sequences }, settings);
  const update = await cpuSeconds(() => policy.update({ prompts, sequences }, settings));
  const sampling = await cpuSeconds(() => Promise.all(prompts.map(sample)));
  const trained = policy.info().trainedParameters;
  await policy.close();
  return { update, sampling, trained, peakBytes: 1024 * process.resourceUsage().maxRSS };
}

function inProcess(name, model) {
  const own = [fileURLToPath(import.meta.url), '--variant', name, '--model', model, '--threads', String(threads)];
  const { stdout, stderr, status } = spawnSync(process.execPath, own, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function main(scratch) {
  const model = join(scratch, 'model');
  const parameters = writeRandomModel(model, join(root, 'models/tiny'));
  const found = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  const neighbours = watchNeighbours([process.pid]);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const name of Object.keys(variants)) found[name].push(inProcess(name, model));
  }
  const summary = (runs) => ({
    trained: runs[0].trained,
    updateCpuSeconds: summarise(runs.map(({ update }) => update)),
    samplingCpuSeconds: summarise(runs.map(({ sampling }) => sampling)),
    peakBytes: summarise(runs.map(({ peakBytes }) => peakBytes)),
  });
  return {
    command: ['node bench/lora.mjs', ...process.argv.slice(2)].join(' '),
    ...describeCommit(),
    machine: describeMachine(),
    parameters,
    threads,
    variants: Object.fromEntries(Object.entries(found).map(([name, runs]) => [name, summary(runs)])),
    busyElsewhere: neighbours(),
  };
}

if (values.variant !== undefined) {
  process.stdout.write(JSON.stringify(await measure(values.variant)));
} else {
  const scratch = mkdtempSync(join(tmpdir(), 'exit-rl-bench-lora-'));
  try {
    const result = main(scratch);
    const file = join(root, 'bench/results', `lora-${new Date().toISOString().slice(0, 10)}.json`);
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
    for (const [name, { updateCpuSeconds, samplingCpuSeconds, peakBytes }] of Object.entries(result.variants)) {
      const seconds = `update ${updateCpuSeconds.median.toFixed(2)} s, sampling ${samplingCpuSeconds.median.toFixed(2)} s`;
      console.log(`${name.padEnd(22)}${seconds}, peak ${(peakBytes.median / 2 ** 20).toFixed(0)} MiB`);
    }
    console.log(file);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
