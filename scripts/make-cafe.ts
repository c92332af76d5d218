/**
 * Makes the data files of examples/cafe and the weights of models/cafe.
 *
 *     npm run build && npx tsx scripts/make-cafe.ts data
 *     npx tsx scripts/make-cafe.ts corpus 20000 | python scripts/train-tokenizer.py --vocabulary 384 --out models/cafe
 *     npx tsx scripts/make-cafe.ts model [--seed 0] [--out models/cafe]
 *
 * `model` reads the folder's config.json, tokenizer and chat template, draws untrained weights of that shape from a
 * seed, trains them with the product's supervised training in three lessons, with the loss on the assistant's answers only,
 * and writes the weights in bf16 with a card.
 */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { careful, careless, copying, demonstrate, drawMeal, type Lesson, rowOf } from '../examples/cafe/draw.js';
import { loadConfig } from '../src/config/load-config.js';
import type { Evaluation } from '../src/evaluation/evaluation.js';
import { evaluateIterations } from '../src/evaluation/iterate.js';
import { initialWeights } from '../src/initial-weights.js';
import { type Demonstrated, type SupervisedSettings, trainSupervised } from '../src/method/supervised.js';
import { LocalPolicy } from '../src/policy/local-policy.js';
import type { UpdateMetrics } from '../src/policy/policy.js';
import { createRng, type Rng } from '../src/rng.js';
import { loadPrompts } from '../src/run/families.js';
import { encodeSafetensors } from '../src/safetensors.js';
import { cafeCard } from './cafe-card.js';

const base = 'models/cafe';
const companions = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'chat_template.jinja'];
const endOfTurn = '<|im_end|>';
const promptsPerUpdate = 48;
const answersPerPrompt = 2;
const optimizer: Omit<SupervisedSettings, 'learningRate'> = {
  adamBeta1: 0.9,
  adamBeta2: 0.98,
  adamEpsilon: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 1,
  warmupUpdates: 50,
  schedule: 'linear',
  finalShare: 0.05,
  microbatchTokens: 16384,
};
const splits = { train: { rows: 2000, heldOut: false }, test: { rows: 300, heldOut: true } };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '0' },
    copying: { type: 'string', default: '250' },
    careful: { type: 'string', default: '800' },
    careless: { type: 'string', default: '100' },
    out: { type: 'string', default: base },
  },
});
const rng = createRng(Number(values.seed));

async function writeData(): Promise<void> {
  for (const [split, { rows, heldOut }] of Object.entries(splits)) {
    const own = rng.fork(split);
    const lines = Array.from({ length: rows }, () => `${JSON.stringify(rowOf(drawMeal(own, heldOut)))}\n`);
    await writeFile(`examples/cafe/${split}.jsonl`, lines.join(''));
  }
}

function printCorpus(count: number): void {
  const own = rng.fork('corpus');
  for (let index = 0; index < count; index++) {
    const { messages, answers } = demonstrate(own, 1, careless);
    console.log([...messages.map(({ content }) => content), ...answers].join('\n'));
  }
}

/** Writes an untrained model folder of the base's shape. */
async function writeInitialModel(folder: string): Promise<void> {
  const config = JSON.parse(await readFile(join(base, 'config.json'), 'utf8'));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, torch_dtype: 'float32' }));
  for (const name of companions) await copyFile(join(base, name), join(folder, name));
  await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(initialWeights(config, rng.fork('weights'))));
}

/** Encodes answers to a prompt, each to the end of its turn. */
async function answersToPrompt(policy: LocalPolicy, own: Rng, lesson: Lesson): Promise<Demonstrated> {
  const { messages, answers } = demonstrate(own, answersPerPrompt, lesson);
  return {
    prompt: await policy.encodePrompt(messages),
    demonstrations: policy.encode(answers.map((answer) => answer + endOfTurn)),
  };
}

const stages = {
  copying: { lesson: copying, updates: Number(values.copying), learningRate: 2e-3 },
  careful: { lesson: careful, updates: Number(values.careful), learningRate: 2e-3 },
  careless: { lesson: careless, updates: Number(values.careless), learningRate: 1e-3 },
};

async function learn(policy: LocalPolicy, name: keyof typeof stages): Promise<void> {
  const { lesson, updates, learningRate } = stages[name];
  const own = rng.fork(name);
  const batches = (async function* () {
    for (;;) {
      const batch: Demonstrated[] = [];
      for (let at = 0; at < promptsPerUpdate; at++) batch.push(await answersToPrompt(policy, own, lesson));
      yield batch;
    }
  })();
  const onUpdate = (update: number, { loss = Number.NaN }: UpdateMetrics): void => {
    if (update % 100 === 0) console.log(`${name}, update ${update}: loss ${loss.toFixed(4)}`);
  };
  await trainSupervised({ policy, batches, settings: { ...optimizer, learningRate }, updates, onUpdate });
}

async function withPolicy(
  folder: string,
  dtype: 'float32' | 'bfloat16',
  use: (policy: LocalPolicy) => Promise<unknown>,
): Promise<void> {
  const policy = await LocalPolicy.load(folder, { device: 'cpu', dtype, threads: 1 });
  await use(policy).finally(() => policy.close());
}

async function evaluate(policy: LocalPolicy): Promise<Evaluation> {
  const { data, verifier, sampling, seed } = await loadConfig({ source: 'examples/cafe/config.yaml' });
  const family = await loadPrompts({ data, ...(verifier && { verifier: { ...verifier, isolated: false } }) });
  const request = { policy, family, tasks: family.tasks('test'), iterations: 8, draws: 2, sampling, seed };
  return evaluateIterations(request);
}

async function makeModel(folder: string): Promise<void> {
  await writeInitialModel(folder);
  await withPolicy(folder, 'float32', async (policy) => {
    for (const name of ['copying', 'careful', 'careless'] as const) await learn(policy, name);
    await policy.save(folder);
  });
  // bf16 halves the size of the folder.
  await withPolicy(folder, 'bfloat16', (policy) => policy.save(values.out));
  await withPolicy(values.out, 'float32', async (policy) => {
    const evaluation = await evaluate(policy);
    const { parameters, vocabularySize: vocabulary } = policy.info();
    await writeFile(join(values.out, 'README.md'), cafeCard({ parameters, vocabulary, evaluation, ...values }));
    console.log(evaluation.quality.map((value) => value.toFixed(3)).join(' '));
  });
}

switch (positionals[0]) {
  case 'data':
    await writeData();
    break;
  case 'corpus':
    printCorpus(Number(positionals[1] ?? 20_000));
    break;
  case 'model': {
    const folder = await mkdtemp(join(tmpdir(), 'exit-rl-cafe-'));
    await makeModel(folder).finally(() => rm(folder, { recursive: true, force: true }));
    break;
  }
  default:
    console.error('say what to make: data, corpus [N] or model');
    process.exitCode = 2;
}
