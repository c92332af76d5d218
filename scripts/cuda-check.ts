/**
 * Runs the checks of scripts/cuda-check.sh: doctor, parity with the CPU, tokens/s, clean exits.
 * `--device cpu` runs the same steps on libtorch's CPU decoder, to test the checks themselves without a GPU.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { examine } from '../src/cli/doctor/examine.js';
import { describe } from '../src/cli/doctor.js';
import { LocalPolicy, type LocalPolicyOptions } from '../src/policy/local-policy.js';
import type { UpdateBatch, UpdateSettings } from '../src/policy/policy.js';
import { defaultUpdate } from '../src/policy/settings.js';
import { createRng } from '../src/rng.js';

const model = fileURLToPath(new URL('../models/tiny', import.meta.url));
const noDeviceExit = 3;
const inFlightExit = 7;

/** Largest allowed differences from float32 on the CPU. */
const bounds = {
  logprob: 1e-4,
  logprobAfterUpdate: 1e-3,
  metric: 1e-3,
  /** Mean exp|Δ| of bf16 log-probabilities. */
  meanRatioBf16: 1.01,
};

const settings: UpdateSettings = { ...defaultUpdate, learningRate: 1e-3, adamBeta2: 0.95, microbatchTokens: 4096 };
const sampling = { temperature: 1, maxNewTokens: 6 };
const comparedMetrics = ['loss', 'grad_norm', 'entropy'] as const;

const { values } = parseArgs({
  options: { device: { type: 'string', default: 'cuda' }, out: { type: 'string' }, 'in-flight': { type: 'boolean' } },
});
const { device } = values;
const onDevice: LocalPolicyOptions = device === 'cpu' ? { device, backend: 'torch' } : { device };

/** Draws 16 prompts of ordinary words with 8 random completions each. */
function randomBatch(vocabularySize: number): UpdateBatch {
  const rng = createRng(7);
  const words = (count: number): Int32Array =>
    Int32Array.from({ length: count }, () => 5 + rng.int(vocabularySize - 5));
  const prompts = Array.from({ length: 16 }, () => words(19));
  const sequences = Array.from({ length: 128 }, (_, rollout) => ({
    prompt: Math.floor(rollout / 8),
    rollout,
    tokens: words(6),
    advantage: rng.next() * 2 - 1,
  }));
  return { prompts, sequences };
}

interface Gap {
  readonly largest: number;
  readonly meanRatio: number;
}

/** Compares two lists of log-probabilities: the largest difference, and the mean of exp|Δ|. */
function compare(ours: readonly Float32Array[], theirs: readonly Float32Array[]): Gap {
  const differences = ours.flatMap((list, at) =>
    [...list].map((value, t) => Math.abs(value - (theirs[at]?.[t] ?? Number.NaN))),
  );
  const total = differences.reduce((sum, difference) => sum + Math.exp(difference), 0);
  return { largest: Math.max(...differences), meanRatio: total / differences.length };
}

interface Result {
  readonly name: string;
  readonly value: number;
  readonly bound?: number;
  readonly good?: boolean;
}

const results: Result[] = [];

function check(name: string, value: number, bound: number): void {
  const good = value <= bound;
  results.push({ name, value, bound, good });
  console.log(`${good ? '✓' : '✗'} ${name}: ${value.toPrecision(4)} (at most ${bound})`);
}

const relative = (a = Number.NaN, b = Number.NaN): number => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-6);

/** Compares log-probabilities before and after one update on the same batch with the CPU in float32. */
async function checkParity(): Promise<void> {
  // Opens the device first, because the process loads CUDA with its first policy or never.
  const theirs = await LocalPolicy.load(model, { ...onDevice, dtype: 'float32' });
  const ours = await LocalPolicy.load(model, { device: 'cpu', backend: 'kernels', dtype: 'float32' });
  const batch = randomBatch(ours.info().vocabularySize);
  check('log-probabilities', compare(await ours.logprobs(batch), await theirs.logprobs(batch)).largest, bounds.logprob);
  const expected = await ours.update(batch, settings);
  const actual = await theirs.update(batch, settings);
  for (const name of comparedMetrics) check(`update: ${name}`, relative(expected[name], actual[name]), bounds.metric);
  const after = compare(await ours.logprobs(batch), await theirs.logprobs(batch));
  check('log-probabilities after the update', after.largest, bounds.logprobAfterUpdate);
  await Promise.all([ours.close(), theirs.close()]);
}

/** Compares the behaviour policy's log-probabilities with the trainer's for the same weights and tokens. */
async function checkRollouts(dtype: 'float32' | 'bfloat16'): Promise<void> {
  const policy = await LocalPolicy.load(model, { ...onDevice, dtype });
  const { prompts } = randomBatch(policy.info().vocabularySize);
  const groups = await Promise.all(
    prompts.map((prompt, requestId) => policy.generate({ prompt, n: 8, sampling, seed: 3, requestId })),
  );
  const completions = groups.flatMap((group, prompt) =>
    group.completions.map((completion) => ({ ...completion, prompt })),
  );
  const sequences = completions.map(({ tokens, prompt }, rollout) => ({ tokens, prompt, rollout, advantage: 0 }));
  const { largest, meanRatio } = compare(
    completions.map(({ logprobs }) => logprobs),
    await policy.logprobs({ prompts, sequences }),
  );
  if (dtype === 'float32') check('float32 rollout against training: log-probabilities', largest, bounds.logprob);
  else check('bfloat16 rollout against training: mean exp|Δ|', meanRatio, bounds.meanRatioBf16);
  await policy.close();
}

/** Measures generated tokens per second: the median of three runs after a warm-up. */
async function measureRollouts(): Promise<void> {
  const policy = await LocalPolicy.load(model, { ...onDevice, dtype: device === 'cpu' ? 'float32' : 'bfloat16' });
  const { prompts } = randomBatch(policy.info().vocabularySize);
  for (const n of [1, 16, 128]) {
    const rates: number[] = [];
    for (let seed = 0; seed < 4; seed++) rates.push(await rolloutRate(policy, prompts, n, seed));
    const median = rates.slice(1).sort((a, b) => a - b)[1] ?? Number.NaN;
    results.push({ name: `tokens/s, ${prompts.length} prompts × ${n}`, value: median });
    console.log(`· ${prompts.length} prompts × ${n}: ${Math.round(median)} tokens/s`);
  }
  await policy.close();
}

async function rolloutRate(
  policy: LocalPolicy,
  prompts: readonly Int32Array[],
  n: number,
  seed: number,
): Promise<number> {
  const begin = performance.now();
  const requests = prompts.map((prompt, requestId) => policy.generate({ prompt, n, sampling, seed, requestId }));
  const found = await Promise.all(requests);
  const tokens = found.flatMap(({ completions }) => completions).reduce((sum, { tokens }) => sum + tokens.length, 0);
  return tokens / ((performance.now() - begin) / 1000);
}

/** Runs a separate process that exits with work in flight. */
function checkExit(): void {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), '--device', device, '--in-flight'];
  const { status, signal } = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 120_000,
  });
  const good = status === inFlightExit;
  results.push({ name: 'process.exit with work in flight', value: status ?? -1, bound: inFlightExit, good });
  console.log(`${good ? '✓' : '✗'} process.exit with work in flight: ${signal ?? `exit code ${status}`}`);
}

async function leaveInFlight(): Promise<void> {
  const policy = await LocalPolicy.load(model, onDevice);
  const [prompt = new Int32Array()] = randomBatch(policy.info().vocabularySize).prompts;
  policy.generate({ prompt, n: 100_000, sampling, seed: 1, requestId: 1 });
  setTimeout(() => process.exit(inFlightExit), 200);
}

async function main(): Promise<void> {
  const found = examine(device);
  for (const line of describe(found)) console.log(line);
  const wanted = found.devices.find((entry) => device.startsWith(entry.device));
  if (!wanted?.usable) {
    console.log(`\nno CUDA device was found: ${wanted?.reason ?? `unknown device ${device}`}`);
    process.exitCode = noDeviceExit;
    return;
  }
  console.log('');
  await checkParity();
  for (const dtype of ['float32', 'bfloat16'] as const) await checkRollouts(dtype);
  await measureRollouts();
  checkExit();
  const good = results.every((result) => result.good !== false);
  if (values.out)
    writeFileSync(values.out, `${JSON.stringify({ device, good, examination: found, results }, null, 2)}\n`);
  console.log(good ? 'all good' : 'something differs');
  process.exitCode = good ? 0 : 1;
}

await (values['in-flight'] ? leaveInFlight() : main());
