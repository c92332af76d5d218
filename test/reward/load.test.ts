/** Reward functions from files run in threads that can be terminated. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { ConfigError, RewardTimeoutError } from '../../src/errors.js';
import { emptyHistory, openTurn } from '../../src/history.js';
import { IsolatedFunction } from '../../src/reward/isolated.js';
import { type LoadedRewards, loadRewards } from '../../src/reward/load-rewards.js';
import { rewardAnswers } from '../../src/reward/named.js';
import type { Answered } from '../../src/reward/reward.js';

let file = '';
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-reward-'));
  file = join(root, 'rewards.ts');
  await writeFile(
    file,
    `interface Batch { texts: string[]; answer: string[] }
export const accuracy = ({ texts, answer }: Batch): number[] => texts.map((text, at) => Number(text === answer[at]));
export const slow = async ({ texts }: Batch) => { await new Promise((done) => setTimeout(done, 5)); return texts.map(() => 0.5); };
export const loops = ({ texts }: Batch): number[] => { if (texts.includes('loop')) for (;;); return texts.map(() => 1); };
export const leaves = (): number[] => process.exit(3);
export const eats = (): number[] => { const all: unknown[] = []; for (;;) all.push(new Array(1e4).fill(all.length)); };
export const one = ({ text, answer }: { text: string; answer: string }): number => (text === answer ? 1 : 0);
export const later = ({ texts }: Batch): number[] => { setTimeout(() => { throw new Error('late'); }, 5); return texts.map(() => 1); };
export const prints = ({ texts }: Batch): number[] => { console.log('printed'); return texts.map(() => 1); };
`,
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

function answered(text: string, answer: string): Answered {
  const after = openTurn(emptyHistory, { text, tokens: [1], quality: 0 });
  const task = { id: text, data: { prompt: 'q', answer } };
  return { task, intent: 'attempt', prompt: 'q', before: emptyHistory, after, text, tokens: [1], quality: 0 };
}

const load = (...rewards: unknown[]): Promise<LoadedRewards> =>
  loadRewards(parseConfig({ task: 't', model: 'm', rewards }).rewards);

async function rewardAll(rewards: unknown[], texts = ['a', 'b']): ReturnType<typeof rewardAnswers> {
  const { functions, close } = await load(...rewards);
  try {
    return await rewardAnswers(functions, [texts.map((text) => answered(text, 'a'))]);
  } finally {
    await close();
  }
}

const values = (rewarded: Awaited<ReturnType<typeof rewardAll>>): number[][] =>
  rewarded.columns.map((part) => [...part.values]);

describe('files', () => {
  test.each([true, false])('sync and async functions of a batch, group and rollout; isolated: %s', async (isolated) => {
    const rewarded = await rewardAll([
      { file, export: 'accuracy', isolated },
      { file, export: 'slow', isolated },
      { file, export: 'one', scope: 'rollout', isolated },
      { file, export: 'accuracy', name: 'by group', scope: 'group', isolated },
    ]);
    expect(values(rewarded)).toEqual([
      [1, 0],
      [0.5, 0.5],
      [1, 0],
      [1, 0],
    ]);
    expect(rewarded.columns.map(({ name }) => name)).toEqual(['accuracy', 'slow', 'one', 'by group']);
  });

  test('a timer that throws between two calls ends the thread; a new one answers the next call', async () => {
    const { functions, close } = await load({ file, export: 'later' });
    for (let call = 0; call < 2; call++) {
      const [outcome] = (await rewardAnswers(functions, [[answered('a', 'a')]])).outcomes;
      expect(outcome).toEqual({ kind: 'rewarded', sum: 1, quality: 1 });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await close();
  });

  test('an infinite loop times out with a typed error; a new thread answers the next call', async () => {
    const { functions, close } = await load({ file, export: 'loops', timeoutSeconds: 0.3 });
    const ask = (text: string): ReturnType<typeof rewardAnswers> => rewardAnswers(functions, [[answered(text, 'a')]]);
    const [first] = (await ask('loop')).outcomes;
    expect(first?.kind === 'failed' && RewardTimeoutError.isInstance(first.error)).toBe(true);
    expect((await ask('fine')).outcomes).toEqual([{ kind: 'rewarded', sum: 1, quality: 1 }]);
    await close();
  });

  test('a function that exits ends its thread, not the run', async () => {
    const { outcomes } = await rewardAll([{ file, export: 'leaves', timeoutSeconds: 30 }]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['failed', 'failed']);
  });

  test('a heap that exceeds its limit ends the thread, not the run', async () => {
    const eater = new IsolatedFunction({ file, name: 'eats', timeoutSeconds: 60, heapMiB: 48 });
    await expect(eater.call({})).rejects.toThrow(/memory/i);
    await eater.close();
  });

  test('every function that cannot be loaded is reported at once, before any runs', async () => {
    const broken = join(root, 'broken.ts');
    await writeFile(broken, 'export const x = ;');
    const error = await load({ file: broken }, { file, export: 'accurasy' }, { file: join(root, 'absent.ts') }).catch(
      (reason: unknown) => reason,
    );
    expect(ConfigError.isInstance(error) && error.problems.map(({ key }) => key)).toEqual([
      'rewards.0',
      'rewards.1',
      'rewards.2',
    ]);
    expect(String(error)).toMatch(
      /exports no function `accurasy`; it exports accuracy, eats.*; set `export` to the name/,
    );
  });
});

describe('built-in ones', () => {
  test('exact_match compares the text or the last box with a column', async () => {
    const texts = [' a ', 'so \\boxed{a}', 'it is 1,234.50'];
    expect(values(await rewardAll(['exact_match'], texts))).toEqual([[1, 0, 0]]);
    expect(values(await rewardAll([{ builtIn: 'exact_match', extract: 'boxed' }], texts))).toEqual([[0, 1, 0]]);
  });

  test('format_regex times out on catastrophic backtracking', async () => {
    const reward = { builtIn: 'format_regex', pattern: '^(a+)+$', timeoutSeconds: 0.5 };
    expect(values(await rewardAll([reward], ['aaa', 'b']))).toEqual([[1, 0]]);
    expect((await rewardAll([reward], [`${'a'.repeat(40)}!`])).outcomes.map(({ kind }) => kind)).toEqual(['failed']);
  });
});
