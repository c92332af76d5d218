/** Rules of generated tokens: what a request overrides, what training leaves out, and what stays as it was. */
import { describe, expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import { generateAnswers } from '../../src/method/rollout.js';
import { codeBreaker } from '../../src/task/code-breaker/family.js';
import { backends, openPolicy } from '../golden/support.js';
import { changeJson, copyModel } from '../support/model-folder.js';

const prompt = [7, 21, 5, 40, 33, 21, 5];
const sampling = { temperature: 0.8, maxNewTokens: 12 };

function folderWith(config: Readonly<Record<string, unknown>>): string {
  const folder = copyModel('llama-tied');
  changeJson(folder, 'generation_config.json', config);
  return folder;
}

describe.each(backends)('%s', (backend) => {
  test('a completion depends on its own request, with rules or beside a request with rules', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    const plain = { prompt, sampling, n: 3, seed: 5 };
    const ruled = { ...plain, sampling: { ...sampling, repetitionPenalty: 1.4, noRepeatNgramSize: 2 } };
    const [alonePlain, aloneRuled] = [await policy.generate(plain), await policy.generate(ruled)];
    const [besidePlain, besideRuled] = await Promise.all([policy.generate(plain), policy.generate(ruled)]);
    const tokens = ({ completions }: typeof alonePlain): number[][] => completions.map((one) => Array.from(one.tokens));
    expect(tokens(besidePlain)).toEqual(tokens(alonePlain));
    expect(tokens(besideRuled)).toEqual(tokens(aloneRuled));
    expect(tokens(aloneRuled)).not.toEqual(tokens(alonePlain));
  });

  test('log-probabilities are those of the policy, whatever the rules do', async () => {
    const policy = await openPolicy('llama-tied', { backend });
    const rules = { repetitionPenalty: 3, suppressTokens: [7], minNewTokens: 6 };
    const { promptTokens, completions } = await policy.generate({
      prompt,
      sampling: { ...sampling, ...rules },
      seed: 2,
    });
    const [completion] = completions;
    const batch = {
      prompts: [promptTokens],
      sequences: [{ prompt: 0, tokens: completion?.tokens ?? new Int32Array() }],
    };
    const [found = new Float32Array()] = await policy.logprobs(batch, sampling.temperature);
    for (const [at, value] of found.entries()) expect(completion?.logprobs[at]).toBeCloseTo(value, 4);
  });
});

test('a value of the request takes the place of the folder’s', async () => {
  const ruled = await openPolicy(folderWith({ repetition_penalty: 1.5, min_length: 30 }), { onNotice: () => {} });
  const plain = await openPolicy('llama-tied');
  const greedy = { prompt, sampling: { temperature: 0, maxNewTokens: 8, repetitionPenalty: 1, minNewTokens: 0 } };
  const tokens = async (policy: typeof plain): Promise<unknown> =>
    (await policy.generate(greedy)).completions[0]?.tokens;
  expect(await tokens(ruled)).toEqual(await tokens(plain));
  expect(ruled.info().generationConfig).toMatchObject({ repetitionPenalty: 1.5, minLength: 30 });
});

test('rollouts are drawn without the folder’s rules, and training says so in one line', async () => {
  const notices: string[] = [];
  const onNotice = (line: string): unknown => notices.push(line);
  const ruled = await openPolicy(folderWith({ repetition_penalty: 4, suppress_tokens: [1] }), { onNotice });
  const plain = await openPolicy('llama-tied');
  expect(notices).toEqual([
    expect.stringMatching(/generation_config\.json.*`repetition_penalty`, `suppress_tokens`.*training/),
  ]);
  const family = { ...codeBreaker(), prompt: () => 'a small model' };
  const [task] = family.tasks('test');
  if (task === undefined) throw new Error('no task');
  const start = { history: { turns: [] }, intent: 'attempt' } as const;
  const answers = (policy: typeof plain): Promise<unknown> =>
    generateAnswers({ policy, family: family as never, task, sampling }, start, 2, { seed: 1, requestId: 2 });
  expect(await answers(ruled)).toEqual(await answers(plain));
});

test('a key that transformers computes and the engine does not refuses to generate, by name', async () => {
  const policy = await openPolicy(folderWith({ num_beams: 4, forced_eos_token_id: 2 }), { onNotice: () => {} });
  await expect(policy.generate({ prompt })).rejects.toThrow(/num_beams, forced_eos_token_id.*generationConfig: false/);
  await expect(policy.generate({ prompt, generationConfig: false, sampling })).resolves.toBeDefined();
});

test('keys whose place is a request, and keys that nothing reads, are one line each', async () => {
  const notices: string[] = [];
  const config = { temperature: 0.7, top_p: 0.8, top_k: 20, my_note: 'x', max_length: 4096, do_sample: true };
  await openPolicy(folderWith(config), { trainable: false, onNotice: (line) => notices.push(line) });
  expect(notices).toEqual([
    expect.stringMatching(/generation_config\.json`: `my_note` is ignored/),
    expect.stringMatching(/generation_config\.json`: `temperature`, `top_k`, `top_p` are not read/),
  ]);
});

test.each([
  [{ repetition_penalty: 0 }, 'repetitionPenalty'],
  [{ repetition_penalty: 'much' }, 'repetition_penalty'],
  [{ bad_words_ids: [[999]] }, 'badWordsIds'],
  [{ bad_words_ids: [[]] }, 'badWordsIds'],
  [{ no_repeat_ngram_size: -1 }, 'no_repeat_ngram_size'],
  [{ min_new_tokens: 1.5 }, 'min_new_tokens'],
])('a value that transformers refuses is refused by file and key: %j', async (config, key) => {
  await expect(openPolicy(folderWith(config))).rejects.toMatchObject({
    code: 'MODEL_FILE',
    message: expect.stringMatching(new RegExp(`generation_config.json.*${key}`)),
  });
});

test.each([
  [{ repetitionPenalty: 0 }, 'repetitionPenalty'],
  [{ suppressTokens: [96] }, 'suppressTokens'],
  [{ badWordsIds: [[]] }, 'badWordsIds'],
  [{ stopTokenIds: [99999] }, 'stopTokenIds'],
  [{ stopTokenIds: [2 ** 32 + 1] }, 'sampling.stopTokenIds[0]'],
  [{ badWordsIds: [[1.5]] }, 'sampling.badWordsIds[0][0]'],
])('a request with %j names the key', async (wrong, key) => {
  const policy = await openPolicy('llama-tied');
  const error = await policy.generate({ prompt, sampling: wrong }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InvalidRequestError);
  expect((error as InvalidRequestError).fields.key).toBe(key);
});

test('a completion that the context cuts short says so, one that reaches its length does not', async () => {
  const policy = await openPolicy('llama-tied', { onNotice: () => {} });
  const { contextLength } = policy.info();
  const long = Array.from({ length: contextLength - 4 }, (_, at) => 4 + (at % 60));
  const ended = async (maxNewTokens: number) => {
    const never = { temperature: 0, maxNewTokens, minNewTokens: maxNewTokens };
    return (await policy.generate({ prompt: long, sampling: never })).completions[0];
  };
  expect(await ended(10)).toMatchObject({ finishReason: 'length', contextFull: true });
  expect((await ended(10))?.tokens).toHaveLength(4);
  expect(await ended(4)).not.toHaveProperty('contextFull');
});
