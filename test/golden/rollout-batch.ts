/** Makes a training batch from the policy's rollouts, with a reward that needs no task: the share of even tokens. */
import { groupAdvantages } from '../../src/method/advantage.js';
import type { LocalPolicy } from '../../src/policy/local-policy.js';
import type { Generated, TrainingSequence, UpdateBatch } from '../../src/policy/policy.js';
import { createRng } from '../../src/rng.js';

export interface RolloutBatchOptions {
  readonly seed: number;
  readonly update: number;
  readonly prompts: number;
  readonly groupSize: number;
  readonly temperature?: number;
}

export async function rolloutBatch(policy: LocalPolicy, options: RolloutBatchOptions): Promise<UpdateBatch> {
  const rng = createRng(options.seed).fork('batch', options.update);
  const sampling = { temperature: options.temperature ?? 1, maxNewTokens: 8 };
  const requests = Array.from({ length: options.prompts }, () => ({
    prompt: Array.from({ length: 2 + rng.int(20) }, () => 4 + rng.int(60)),
    n: options.groupSize,
    sampling,
    seed: options.seed,
    requestId: rng.id(),
  }));
  const groups = await Promise.all(requests.map((request) => policy.generate(request)));
  return {
    prompts: groups.map(({ promptTokens }) => promptTokens),
    sequences: groups.flatMap((group, index) => groupSequences(group, index, options.groupSize)),
  };
}

function groupSequences({ completions }: Generated, prompt: number, groupSize: number): TrainingSequence[] {
  const rewards = completions.map(({ tokens }) => tokens.filter((token) => token % 2 === 0).length / tokens.length);
  const advantages = groupAdvantages(rewards);
  return completions.map(({ tokens, logprobs }, member) => ({
    prompt,
    tokens,
    behaviourLogprobs: logprobs,
    rollout: prompt * groupSize + member,
    advantage: advantages[member] as number,
  }));
}
