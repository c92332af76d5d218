/** Sends Ctrl-C to a real process during an evaluation: it ends within a second and loses nothing. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Ended, missingEngine, runCli, start, tinyModel } from './support/cli.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'exit-rl-interrupt-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Starts a command, sends SIGINT once `ready` returns true, and measures the time until its end. */
async function interrupted(
  args: readonly string[],
  ready: () => Promise<boolean>,
): Promise<Ended & { seconds: number }> {
  const { child, ended } = start(args);
  onTestFinished(() => void child.kill('SIGKILL'));
  while (!(await ready())) {
    if (child.exitCode !== null) throw new Error(`it ended by itself: ${(await ended).stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const sent = performance.now();
  child.kill('SIGINT');
  const end = await ended;
  return { ...end, seconds: (performance.now() - sent) / 1000 };
}

const has = (file: string): Promise<boolean> =>
  readFile(file).then(
    () => true,
    () => false,
  );

/** A family whose verifier answers at once in training, but never on held-out tasks, until a mark file exists. */
const slowVerifier = (mark: string): string => `
import { writeFileSync, existsSync } from 'node:fs';
const tasks = (split) => [1, 2].map((n) => ({ id: split + n, data: { split } }));
const row = 'a1x b2x c3x d4x e5x a2x b3x c4x d5x e6x';
const prompt = () => '<bos> solve ' + row + ' previous a? b? c? d? e? answer';
let calls = 0;
const verify = async ({ data }) => {
  if (data.split === 'test' && !existsSync(${JSON.stringify(`${mark}.done`)})) {
    writeFileSync(${JSON.stringify(mark)}, '');
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  // Equal qualities would train nothing.
  return { quality: calls++ % 2, wellFormed: true };
};
export default { name: 'slow', turns: 1, tasks, prompt, verify };
`;

describe.skipIf(missingEngine !== undefined)(
  `a signal during an evaluation${missingEngine ? ` (${missingEngine})` : ''}`,
  () => {
    test('in `train` saves the update, and --resume repeats the evaluation', async () => {
      const [mark, task, path] = [join(root, 'train.mark'), join(root, 'train.mjs'), join(root, 'run')];
      await writeFile(task, slowVerifier(mark));
      const config = {
        ...{ task, model: tinyModel, method: 'grpo', updates: 4, startsPerBatch: 2, groupSize: 2 },
        ...{ sampling: { maxNewTokens: 16 }, evaluation: { every: 2, iterations: 1, draws: 1 } },
      };
      await writeFile(join(root, 'train.json'), JSON.stringify(config));
      const begin = ['train', join(root, 'train.json'), '--out', path, '--json'];
      const first = await interrupted(begin, () => has(mark));
      expect(first).toMatchObject({ code: 130 });
      expect(first.seconds).toBeLessThan(1);
      expect(first.stderr).toContain('stopped after update 2, before its evaluation finished; continue with');
      expect(await readdir(path)).toContain('checkpoint-2');
      const lines = async (): Promise<Record<string, number>[]> =>
        (await readFile(join(path, 'metrics.jsonl'), 'utf8'))
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
      expect((await lines()).map(({ update }) => update)).toEqual([1]);
      await writeFile(`${mark}.done`, '');
      expect(await runCli(['train', '--resume', path, '--json'])).toMatchObject({ code: 0 });
      const rows = await lines();
      expect(rows.map(({ update }) => update)).toEqual([1, 2, 3, 4]);
      expect(rows.map((row) => 'eval/quality_0' in row)).toEqual([false, true, false, true]);
    }, 60_000);

    test.each(['generating', 'verifying'])(
      'in `evaluate` while it is %s writes nothing',
      async (what) => {
        const [mark, task, out] = [join(root, `${what}.mark`), join(root, `${what}.mjs`), join(root, `${what}.json`)];
        await writeFile(task, slowVerifier(mark));
        const verifying = ['--task', task, '--max-new-tokens', '16'];
        const generating = ['--task', 'code-breaker', '--draws', '64', '--iterations', '100'];
        const args = ['evaluate', '--model', tinyModel, '--out', out, '--threads', '1'];
        const began = performance.now();
        // Generation leaves no mark. After 3 s the model is loaded, and minutes of work remain.
        const late = async (): Promise<boolean> => performance.now() - began > 3000;
        const workload = what === 'verifying' ? verifying : generating;
        const { code, seconds, stderr } = await interrupted(
          [...args, ...workload],
          what === 'verifying' ? () => has(mark) : late,
        );
        expect({ code, stderr }).toEqual({ code: 130, stderr: 'stopping without writing anything\n' });
        expect(seconds).toBeLessThan(1);
        expect(await has(out)).toBe(false);
      },
      60_000,
    );
  },
);
