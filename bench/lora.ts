/**
 * npx tsx bench/lora.ts [--repeats 5] [--threads N]
 *
 * Compares training an adapter of rank 16 with training all weights, on libtorch, for a model of about 100 million
 * parameters in fp32: CPU seconds of an update and of sampling, and peak memory, each variant in a separate process, in
 * turn. Writes bench/results/lora-DATE.json.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseConfig } from '../src/config/parse.js';
import { updateSettings } from '../src/method/update-settings.js';
import { LocalPolicy, type LocalPolicyOptions } from '../src/policy/local-policy.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { type Summary, summarise } from './lib/measure.js';
import { watchNeighbours } from './lib/neighbours.js';
import { writeRandomModel } from './lib/random-model.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const options = {
  repeats: { type: 'string' },
  threads: { type: 'string' },
  variant: { type: 'string' },
  model: { type: 'string' },
} as const;
const { values } = parseArgs({ options });
const repeats = Number(values.repeats ?? 5);
const threads = Number(values.threads ?? availableParallelism());
const variants: Readonly<Record<string, LocalPolicyOptions>> = {
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

async function cpuSeconds(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

interface Cost {
  readonly update: number;
  readonly sampling: number;
  /** Number of trained parameters. */
  readonly trained: number;
  readonly peakBytes: number;
}

/** Measures the cost of one variant, in a separate process. */
async function measure(name: string, model: string): Promise<Cost> {
  const settings = updateSettings(parseConfig({ task: 'code-breaker', model, threads, device: 'cpu' }), 1);
  const policy = await LocalPolicy.load(model, { device: 'cpu', threads, backend: 'torch', ...variants[name] });
  const sample = (prompt: Int32Array, requestId: number) =>
    policy.generate({ prompt, n: 4, seed: 1, requestId, sampling: { temperature: 1, maxNewTokens: 16 } });
  await policy.update({ prompts, sequences }, settings);
  const update = await cpuSeconds(() => policy.update({ prompts, sequences }, settings));
  const sampling = await cpuSeconds(() => Promise.all(prompts.map(sample)));
  const trained = policy.info().trainedParameters;
  await policy.close();
  return { update, sampling, trained, peakBytes: 1024 * process.resourceUsage().maxRSS };
}

function inProcess(name: string, model: string): Cost {
  const own = [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    '--variant',
    name,
    '--model',
    model,
    '--threads',
    String(threads),
  ];
  const { stdout, stderr, status } = spawnSync(process.execPath, own, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Cost;
}

interface VariantSummary {
  readonly trained: number | undefined;
  readonly updateCpuSeconds: Summary;
  readonly samplingCpuSeconds: Summary;
  readonly peakBytes: Summary;
}

const summariseRuns = (runs: readonly Cost[]): VariantSummary => ({
  trained: runs[0]?.trained,
  updateCpuSeconds: summarise(runs.map(({ update }) => update)),
  samplingCpuSeconds: summarise(runs.map(({ sampling }) => sampling)),
  peakBytes: summarise(runs.map(({ peakBytes }) => peakBytes)),
});

function main(scratch: string) {
  const model = join(scratch, 'model');
  const parameters = writeRandomModel(model, join(root, 'models/tiny'));
  const found = new Map(Object.keys(variants).map((name) => [name, [] as Cost[]]));
  const neighbours = watchNeighbours([process.pid]);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [name, runs] of found) runs.push(inProcess(name, model));
  }
  return {
    command: ['npx tsx bench/lora.ts', ...process.argv.slice(2)].join(' '),
    ...describeCommit(),
    machine: describeMachine(),
    parameters,
    threads,
    variants: Object.fromEntries([...found].map(([name, runs]) => [name, summariseRuns(runs)])),
    busyElsewhere: neighbours(),
  };
}

if (values.variant !== undefined && values.model !== undefined) {
  process.stdout.write(JSON.stringify(await measure(values.variant, values.model)));
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
