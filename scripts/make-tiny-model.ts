/**
 * Makes models/tiny, the base model of code breaker: draws an untrained model from a seed, trains it on demonstrations
 * with the product's supervised training, evaluates it, and writes the folder with its card.
 *
 *     npm run build && npx tsx scripts/make-tiny-model.ts [--seed 0] [--out models/tiny]
 *
 * The same seed gives the same bytes on one machine; the run takes about half a minute on one core.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Evaluation } from '../src/evaluation/evaluation.js';
import { evaluateIterations } from '../src/evaluation/iterate.js';
import { type Demonstrated, type SupervisedSettings, trainSupervised } from '../src/method/supervised.js';
import { LocalPolicy } from '../src/policy/local-policy.js';
import { defaultUpdate } from '../src/policy/settings.js';
import { createRng, type Rng } from '../src/rng.js';
import { drawDemonstrations } from '../src/task/code-breaker/demonstrations.js';
import { codeBreaker } from '../src/task/code-breaker/family.js';
import { writeInitialModel } from '../src/task/code-breaker/model.js';
import { modelCard } from './tiny-model-card.js';

const updates = 800;
const promptsPerUpdate = 16;
const answersPerPrompt = 4;
const settings: SupervisedSettings = {
  ...defaultUpdate,
  learningRate: 4e-3,
  adamBeta2: 0.98,
  weightDecay: 0.01,
  warmupUpdates: 100,
  schedule: 'linear',
  finalShare: 0.05,
};

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '0' }, out: { type: 'string', default: 'models/tiny' } },
});
const seed = Number(values.seed);

/** Yields one list of demonstrations per update, as token ids that end with the end of sequence. */
function* batches(policy: LocalPolicy, rng: Rng): Generator<Demonstrated[], never> {
  for (;;) {
    const demonstrations = drawDemonstrations(rng, promptsPerUpdate, answersPerPrompt);
    yield demonstrations.map(({ prompt, answers }) => ({
      prompt: policy.encode([prompt])[0] ?? new Int32Array(),
      demonstrations: policy.encode(answers.map((answer) => `${answer} <eos>`)),
    }));
  }
}

async function evaluate(policy: LocalPolicy): Promise<Evaluation> {
  const family = codeBreaker();
  const sampling = { temperature: 1, maxNewTokens: 6 };
  return evaluateIterations({ policy, family, tasks: family.tasks('test'), iterations: 16, draws: 4, sampling, seed });
}

async function makeBase(initial: string): Promise<void> {
  const rng = createRng(seed);
  await writeInitialModel(initial, rng.fork('weights'));
  // The shipped weights come from libtorch's gradient; another backend gives other last bits.
  const policy = await LocalPolicy.load(initial, { device: 'cpu', dtype: 'float32', threads: 1, backend: 'torch' });
  try {
    await trainSupervised({
      policy,
      batches: batches(policy, rng.fork('demonstrations')),
      settings,
      updates,
      onUpdate: (update, { loss = Number.NaN }) => {
        if (update % 100 === 0) console.log(`update ${update}: loss ${loss.toFixed(4)}`);
      },
    });
    const evaluation = await evaluate(policy);
    await policy.save(values.out);
    await writeFile(join(values.out, 'README.md'), modelCard({ seed, updates, evaluation }));
    const solved = evaluation.solved.map((share) => (100 * share).toFixed(1));
    console.log(`solved: ${solved[0]} % at k = 0, ${solved.at(-1)} % at k = 16; written to ${values.out}`);
  } finally {
    await policy.close();
  }
}

const initial = await mkdtemp(join(tmpdir(), 'exit-rl-tiny-'));
try {
  await makeBase(initial);
} finally {
  await rm(initial, { recursive: true, force: true });
}
