/** Measures update tokens/s and whole GRPO iterations/s for the shape of the built-in recipe, against TRL's GRPOTrainer. */
import { type AdvantageSettings, groupAdvantages } from '../src/method/advantage.js';
import type { Completion, Generated, Policy, UpdateBatch, UpdateSettings } from '../src/policy/policy.js';
import { defaultUpdate } from '../src/policy/settings.js';
import { row, type Sides, type Summary, summarise, type TableRow } from './lib/measure.js';
import { watchNeighbours } from './lib/neighbours.js';
import { type Contest, generateAll, makePrompts, type Report } from './rollout.js';

const starts = 16;
const groupSize = 8;
const newTokens = 6;
const warmup = 3;
const steps = 10;
const rounds = 3;

/** The settings of peers/serve.py under our names. */
const settings: UpdateSettings = { ...defaultUpdate, learningRate: 3e-4, adamBeta2: 0.95, microbatchTokens: 4096 };

/** The reward of peers/serve.py: the share of even tokens. */
const reward = ({ tokens }: Completion): number => tokens.filter((token) => token % 2 === 0).length / tokens.length;

const advantageSettings: Partial<AdvantageSettings> = { baseline: 'std', std: 'sample', epsilon: 1e-4 };

function makeBatch(groups: readonly Generated[]): UpdateBatch {
  const sequences = groups.flatMap(({ completions }, prompt) => {
    const advantages = groupAdvantages(completions.map(reward), advantageSettings);
    return completions.map(({ tokens, logprobs }, member) => {
      return {
        prompt,
        tokens,
        behaviourLogprobs: logprobs,
        rollout: prompt * groupSize + member,
        advantage: advantages[member] ?? 0,
      };
    });
  });
  return { prompts: groups.map(({ promptTokens }) => promptTokens), sequences };
}

/** Seconds of each measured iteration and of its update, under the names of peers/serve.py. */
interface Times {
  readonly step_seconds: number[];
  readonly update_seconds: number[];
}

/** Measures seconds of whole iterations and of their updates after some warm-up iterations. */
async function ourIterations(
  policy: Pick<Policy, 'generate' | 'update'>,
  prompts: readonly (readonly number[])[],
  seed: number,
): Promise<Times> {
  const times: Times = { step_seconds: [], update_seconds: [] };
  for (let step = 0; step < warmup + steps; step++) {
    const began = performance.now();
    const batch = makeBatch(await generateAll(policy, prompts, groupSize, newTokens, seed * 1000 + step));
    const rolled = performance.now();
    await policy.update(batch, settings);
    const ended = performance.now();
    if (step < warmup) continue;
    times.step_seconds.push((ended - began) / 1000);
    times.update_seconds.push((ended - rolled) / 1000);
  }
  return times;
}

export async function benchIteration(
  { policy, peer, vocabularySize }: Contest,
  report: Report,
  wanted: ReadonlySet<string>,
): Promise<TableRow[]> {
  const prompts = makePrompts(starts, vocabularySize);
  const texts = policy.decode(prompts.map((prompt) => Int32Array.from(prompt)));
  const ask = { do: 'iterations', prompts: texts, group_size: groupSize, new_tokens: newTokens, warmup, steps };
  const ours: Times[] = [];
  const theirs: Times[] = [];
  const neighbours = watchNeighbours([process.pid, peer.processId]);
  for (let round = 0; round < rounds; round++) {
    ours.push(await ourIterations(policy, prompts, round));
    theirs.push(await peer.ask<Times>(ask));
  }
  ours.push(await ourIterations(policy, prompts, rounds));
  const rates = (runs: readonly Times[], key: keyof Times, amount: number): Summary =>
    summarise(runs.flatMap((run) => run[key].map((seconds) => amount / seconds)));
  const both = (key: keyof Times, amount: number): Sides => ({
    ours: rates(ours, key, amount),
    peer: rates(theirs, key, amount),
  });
  const promptTokens = prompts[0]?.length ?? 0;
  const details = { starts, group: groupSize, promptTokens, newTokens, busyElsewhere: neighbours() };
  const shape = `${starts} × ${groupSize}, ${promptTokens} + ${newTokens} tokens`;
  const tokens = starts * groupSize * (promptTokens + newTokens);
  const rows = [
    { label: `update, ${shape}`, ...row('update', 'tokens/s', details, both('update_seconds', tokens)) },
    { label: `GRPO iteration, ${shape}`, ...row('iteration', 'iterations/s', details, both('step_seconds', 1)) },
  ].filter(({ measurement }) => wanted.has(measurement));
  rows.forEach(report);
  return rows;
}
