/** The policy as its own embedder: the final hidden states that a rollout's tokens were drawn from. */
import { ConfigError } from '../errors.js';
import type { Group } from '../method/group.js';
import type { Policy, StatePooling } from '../policy/policy.js';
import type { Embedder } from './embedder.js';

/** A sequence to look at; `row` is the row of the result that it belongs to. */
interface Look {
  readonly row: number;
  readonly prompt: Int32Array;
  readonly tokens: Int32Array;
}

const equal = (left: Int32Array, right: Int32Array): boolean =>
  left.length === right.length && left.every((token, at) => token === right[at]);

/** Turns of a group's rollouts, turn by turn, so that equal prompts stand together and are computed once. */
function looksOf({ rollouts }: Group, firstRow: number): Look[] {
  const turns = Math.max(0, ...rollouts.map((rollout) => rollout.turns.length));
  return Array.from({ length: turns }).flatMap((_, turn) =>
    rollouts.flatMap((rollout, at) => {
      const played = rollout.turns[turn];
      if (played === undefined || played.completion.tokens.length === 0) return [];
      return [{ row: firstRow + at, prompt: played.promptTokens, tokens: played.completion.tokens }];
    }),
  );
}

/** The prompt of a group's start, read as a sequence after its first token. */
function startOf({ rollouts }: Group, row: number): Look[] {
  const prompt = rollouts[0]?.turns[0]?.promptTokens;
  return prompt === undefined || prompt.length < 2
    ? []
    : [{ row, prompt: prompt.subarray(0, 1), tokens: prompt.subarray(1) }];
}

function batchOf(looks: readonly Look[]) {
  const prompts: Int32Array[] = [];
  const sequences = looks.map(({ prompt, tokens }, rollout) => {
    const last = prompts.at(-1);
    if (last === undefined || !equal(last, prompt)) prompts.push(prompt);
    return { prompt: prompts.length - 1, tokens, rollout, advantage: 0 };
  });
  return { prompts, sequences };
}

/**
 * `mean`: the mean over all tokens of all turns; `lasttoken`: the state before the last token of the last turn. A rollout
 * without tokens is 0.
 * @throws ConfigError when the policy does not tell its hidden states.
 */
export async function createPolicyEmbedder(policy: Policy, pooling: StatePooling): Promise<Embedder> {
  const { crossing, native } = await import('../native.js');
  if (policy.states === undefined) {
    throw new ConfigError([{ key: 'diversity.embedder', message: 'this policy does not tell its hidden states' }]);
  }
  let dimension = 0;
  const look = async (looks: readonly Look[], rows: number): Promise<Float32Array> => {
    const vectors = looks.length === 0 ? new Float32Array() : await policy.states?.(batchOf(looks), pooling);
    if (vectors && looks.length > 0) dimension = vectors.length / looks.length;
    const found = new Float32Array(rows * dimension);
    const tokens = new Float64Array(rows);
    for (const { row, tokens: own } of looks) tokens[row] = (tokens[row] ?? 0) + own.length;
    looks.forEach(({ row, tokens: own }, at) => {
      const share = pooling === 'mean' ? own.length / (tokens[row] ?? 1) : 1;
      for (let index = 0; index < dimension; index++) {
        const place = row * dimension + index;
        const before = pooling === 'mean' ? (found[place] ?? 0) : 0;
        found[place] = before + share * (vectors?.[at * dimension + index] ?? 0);
      }
    });
    return found;
  };
  return {
    get dimension() {
      return dimension;
    },
    embed: () => Promise.reject(new TypeError('hidden states belong to rollouts, not to texts')),
    embedRollouts: (groups) => {
      let rows = 0;
      const looks = groups.flatMap((group) => {
        const own = looksOf(group, rows);
        rows += group.rollouts.length;
        return own;
      });
      return look(looks, rows);
    },
    embedStarts: (groups) => look(groups.flatMap(startOf), groups.length),
    diversity: (embeddings, groupOffsets, clamp) =>
      crossing(() => native().diversity(embeddings, Math.max(1, dimension), groupOffsets, clamp)),
  };
}
