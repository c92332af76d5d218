/** Rollout tokens/s: distinct prompts, and groups of 8 that share one, against transformers `generate`. */
import { alternate, row, secondsOf } from './lib/measure.mjs';
import { watchNeighbours } from './lib/neighbours.mjs';

const promptLength = 19;
const batchSizes = [1, 8, 64, 256];
const completionLengths = [6, 64];
const groupSize = 8;

/** Tokens of ordinary words, different in every prompt. */
export function makePrompts(count, vocabularySize) {
  let state = 12345;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  const firstWord = 5;
  return Array.from({ length: count }, () =>
    Array.from({ length: promptLength }, () => firstWord + Math.floor(next() * (vocabularySize - firstWord))),
  );
}

/** Enough runs that a fast measurement is not a single tick, few enough that all fit into a few minutes. */
const repeatsFor = (batch, newTokens) => (batch * newTokens >= 4096 ? 3 : 5);

export async function benchRollout({ policy, peer, vocabularySize }, report) {
  const rows = [];
  for (const newTokens of completionLengths) {
    for (const batch of batchSizes) {
      for (const n of batch % groupSize === 0 ? [1, groupSize] : [1]) {
        const result = await measure({ policy, peer, vocabularySize, newTokens, batch, n });
        rows.push(result);
        report(result);
      }
    }
  }
  return rows;
}

async function measure({ policy, peer, vocabularySize, newTokens, batch, n }) {
  const prompts = makePrompts(batch / n, vocabularySize);
  const repeated = prompts.flatMap((prompt) => Array.from({ length: n }, () => prompt));
  const tokens = batch * newTokens;
  let seed = 0;
  const ours = async () => {
    seed++;
    return tokens / (await secondsOf(() => generateAll(policy, prompts, n, newTokens, seed)));
  };
  const theirs = async () =>
    tokens / (await peer.ask({ do: 'rollout', prompts: repeated, new_tokens: newTokens })).seconds;
  const details = { batch, group: n, promptTokens: promptLength, newTokens };
  const label = `rollout, batch ${batch}${n > 1 ? ` as groups of ${n}` : ''}, ${promptLength} + ${newTokens} tokens`;
  const neighbours = watchNeighbours([process.pid, peer.processId]);
  const sides = await alternate(ours, theirs, repeatsFor(batch, newTokens));
  return { label, ...row('rollout', 'tokens/s', details, sides), busyElsewhere: neighbours() };
}

/** Fails when a completion is not as long as asked for: the comparison would not be one. */
export async function generateAll(policy, prompts, n, newTokens, seed) {
  const sampling = { temperature: 1, maxNewTokens: newTokens };
  const groups = await Promise.all(
    prompts.map((prompt, requestId) => policy.generate({ prompt, n, sampling, seed, requestId })),
  );
  for (const { completions } of groups) {
    if (completions.some(({ tokens }) => tokens.length !== newTokens)) throw new Error('a completion ended early');
  }
  return groups;
}
