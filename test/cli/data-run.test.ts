/** Trains a chat model on a data file with reward files through the command line, as a user does. Needs the addon. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingEngine, runCli } from './support/cli.js';

const qwen2 = fileURLToPath(new URL('../golden/models/qwen2', import.meta.url));
const template =
  "{% for m in messages %}{{ '<bos>' + m.role[0] + ':' + m.content }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<bos>a:' }}{% endif %}";

const rewards = `export const vowels = ({ texts }: { texts: string[] }) =>
  texts.map((text) => (text.match(/[aeiou]/g) ?? []).length / Math.max(1, text.length));
export const even = ({ texts, row }: { texts: string[]; row: number[] }) => texts.map((_, at) => ((row[at] as number) % 2 ? null : 0.5));
`;

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-data-run-'));
  await cp(qwen2, join(root, 'model'), { recursive: true });
  await writeFile(join(root, 'model', 'chat_template.jinja'), template);
  await writeFile(join(root, 'rewards.ts'), rewards);
  const rows = Array.from({ length: 12 }, (_, at) => JSON.stringify({ question: `Say ${at}.`, row: at }));
  await writeFile(join(root, 'rows.jsonl'), rows.join('\n'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Half of all ids end a completion, so that most do. */
const stopTokenIds = Array.from({ length: 120 }, (_, at) => 4 + at);

async function configFile(changes: Record<string, unknown> = {}): Promise<string> {
  const file = join(root, 'run.json');
  const config = {
    model: join(root, 'model'),
    data: {
      ...{ train: join(root, 'rows.jsonl'), promptColumn: 'question', chat: true, testShare: 0.25 },
      templates: { improve: 'Better.', diverge: 'Other.' },
    },
    rewards: [
      { file: join(root, 'rewards.ts'), export: 'vowels' },
      { file: join(root, 'rewards.ts'), export: 'even', weight: 0.5 },
    ],
    ...{
      method: 'exit',
      updates: 8,
      startsPerBatch: 4,
      groupSize: 4,
      seed: 3,
      traces: 'all',
      threads: 1,
      device: 'cpu',
    },
    ...{ buffer: { minimumFill: 2, capacity: 16 }, sampling: { maxNewTokens: 12, stopTokenIds } },
    ...{
      evaluation: { every: 4, iterations: 1, draws: 1, measure: 'both' },
      best: { metric: 'eval_reward' },
      learning_rate: 1e-3,
    },
    ...changes,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

interface Trace {
  readonly task: string;
  readonly intent: string;
  readonly update: number;
  readonly turns: readonly { readonly prompt: readonly number[]; readonly tokens: readonly number[] }[];
}

const contains = (list: readonly number[], part: readonly number[]): boolean => list.join().includes(part.join());

describe.skipIf(missingEngine !== undefined)(
  `a run over a data file${missingEngine ? ` (${missingEngine})` : ''}`,
  () => {
    test('trains, evaluates and improves answers whose generated tokens are kept in the prompt', async () => {
      const out = join(root, 'run');
      const { code, stdout, stderr } = await runCli(['train', await configFile(), '--out', out, '--json']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, number>);
      expect(rows).toHaveLength(8);
      expect(rows[3]).toMatchObject({
        'rewards/even/failures': 0,
        ...{ eval_reward: expect.any(Number), eval_loss: expect.any(Number), eval_entropy: expect.any(Number) },
        'eval/quality_1': expect.any(Number),
      });
      // The weights that sampled the held-out attempts compute their log-probabilities, on the same kernels.
      expect(rows[3]?.['eval_sampling/sampling_logp_difference/max']).toBe(0);
      expect(rows[3]).not.toHaveProperty('eval_grad_norm');
      expect(rows[2]).not.toHaveProperty('eval_loss');
      const traces = (await readFile(join(out, 'traces.jsonl'), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Trace);
      const rewrites = traces.filter(({ intent }) => intent !== 'attempt');
      expect(rewrites.length).toBeGreaterThan(0);
      for (const { task, update, turns } of rewrites) {
        const before = traces
          .filter((one) => one.task === task && one.update < update)
          .map((one) => one.turns[0]?.tokens ?? []);
        // The end token is the turn's own end, which the template writes itself.
        expect(before.some((tokens) => contains(turns[0]?.prompt ?? [], tokens.slice(0, -1)))).toBe(true);
      }
      const evaluated = await runCli(['evaluate', '--model', out, '--iterations', '1', '--draws', '1', '--json']);
      expect(JSON.parse(evaluated.stdout)).toMatchObject({ tasks: 3, k: [0, 1] });
      await writeFile(join(root, 'rows.jsonl'), JSON.stringify({ question: 'Another.', row: 1 }));
      const changed = await runCli(['train', '--resume', out, '--data.testShare', '0.25']);
      expect(changed.code).toBe(1);
      expect(changed.stderr).toMatch(/tasks/);
    });

    test('unreadable data fails with exit code 1 before anything is written', async () => {
      await writeFile(join(root, 'bad.jsonl'), '{"question": 1}\n{"quest": "x"}\n');
      const data = { train: join(root, 'bad.jsonl'), promptColumn: 'question' };
      const file = await configFile({ data, evaluation: {}, best: {} });
      const { code, stderr } = await runCli(['train', file, '--out', join(root, 'never')]);
      expect(code).toBe(1);
      expect(stderr).toContain('data: 2 problems');
      expect(stderr).toContain('bad.jsonl, line 2: has no column `question`');
      await expect(readFile(join(root, 'never', 'config.json'))).rejects.toThrow('ENOENT');
    });
  },
);
