import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from './support/cli.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-usage-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const resolved = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { stdout, stderr, code } = await runCli(['train', ...args, '--dry-run']);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
};

describe('help', () => {
  test('lists every command without delay', async () => {
    const began = performance.now();
    const { stdout, code } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const name of ['demo', 'train', 'evaluate', 'generate', 'score', 'embed', 'doctor', 'report']) {
      expect(stdout).toContain(`exit-rl ${name} --help`);
    }
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test.each(['demo', 'train', 'evaluate', 'generate', 'score', 'embed', 'doctor', 'report'])(
    '%s --help',
    async (name) => {
      const { stdout, code } = await runCli([name, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`exit-rl ${name}`);
      expect(stdout).toContain('--json');
    },
  );
});

describe('wrong usage exits with code 2 and one line', () => {
  test.each([
    [['trian'], 'did you mean `train`'],
    [[], 'a command is missing'],
    [['train'], 'needs a recipe'],
    [['train', 'code-braker'], 'did you mean `code-breaker`'],
    [['train', 'nowhere.yaml'], 'no such file'],
    [['generate', '--prompt', 'x'], '--model is missing'],
    [['generate', '--model', 'm'], 'either --prompt or --input'],
    [['generate', '--model', 'm', '--prompt', 'x', '--n', '0'], '--n takes a whole number'],
    [['score', '--model', 'm'], '--input is missing'],
    [['evaluate', '--model', 'm'], 'task: is missing: a name, a module, or a config that names one'],
    [['embed', '--model', 'bert', '--input', 'x'], 'no embedder `bert`'],
    [['score', '--modell', 'm'], 'Unknown option'],
  ])('%j', async (args, message) => {
    const { stdout, stderr, code } = await runCli(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr.startsWith('error: ')).toBe(true);
    expect(stderr).not.toContain('    at ');
  });

  test('EXIT_RL_DEBUG=1 prints the stack', async () => {
    const { stderr } = await runCli(['train'], { env: { EXIT_RL_DEBUG: '1' } });
    expect(stderr).toContain('    at ');
  });

  test('--json prints the error as an object', async () => {
    const { stderr } = await runCli(['train', 'code-breaker', '--sed', '1', '--json']);
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'CONFIG' });
  });
});

describe('configuration', () => {
  const settings = { task: 'code-breaker', model: 'm', updates: 7, buffer: { capacity: 99, minimumFill: 3 } };
  const same = (config: Record<string, unknown>): void => {
    expect(config).toMatchObject({ updates: 7, buffer: { capacity: 99, minimumFill: 3, taskShare: 1 } });
  };

  test('YAML, TOML, JSON, JavaScript and TypeScript give the same config', async () => {
    same(await resolved(await file('run.json', JSON.stringify(settings))));
    const yaml = 'task: code-breaker\nmodel: m\nupdates: 7\nbuffer:\n  capacity: 99\n  minimumFill: 3\n';
    same(await resolved(await file('run.yaml', yaml)));
    const toml = 'task = "code-breaker"\nmodel = "m"\nupdates = 7\n[buffer]\ncapacity = 99\nminimumFill = 3\n';
    same(await resolved(await file('run.toml', toml)));
    same(await resolved(await file('run.mjs', `export default ${JSON.stringify(settings)}`)));
    const typed = `const updates: number = 7;\nexport default () => ({ ...${JSON.stringify(settings)}, updates });`;
    same(await resolved(await file('run.ts', typed)));
  });

  test('takes flags over the environment, the environment over a file, a file over a recipe', async () => {
    const path = await file('layers.json', JSON.stringify({ recipe: 'code-breaker', updates: 7, seed: 1, threads: 3 }));
    const env = { EXIT_RL_SEED: '2', EXIT_RL_THREADS: '4' };
    const flags = ['--seed', '3', '--optimizer.learningRate', '1e-4', '--overlongFilter', 'false', '--tensorboard'];
    const args = ['train', path, ...flags, '--dry-run'];
    const { stdout } = await runCli(args, { env });
    expect(JSON.parse(stdout)).toMatchObject({
      recipe: 'code-breaker',
      startsPerBatch: 16,
      updates: 7,
      threads: 4,
      seed: 3,
      ...{ overlongFilter: false, tensorboard: true },
      optimizer: { learningRate: 1e-4, adamBeta2: 0.95 },
    });
  });

  test('three mistakes in file and flags are reported together, each with its source', async () => {
    const path = await file('wrong.yaml', 'task: code-breaker\nmodel: m\ngroupSiz: 8\nmethod: exti\n');
    const { stderr, code } = await runCli(['train', path, '--optimizer.learningRate=-1', '--dry-run']);
    expect(code).toBe(2);
    expect(stderr).toContain('error: 3 problems');
    expect(stderr).toContain(`groupSiz: unknown option (did you mean \`groupSize\`?) [${path}]`);
    expect(stderr).toContain(`(did you mean \`exit\`?) [${path}]`);
    expect(stderr).toMatch(/optimizer\.learningRate: -1 is not allowed.* \[--optimizer\.learningRate\]/);
    const { stderr: ofFile } = await runCli(['train', path, '--dry-run']);
    expect(ofFile).toContain('wrong.yaml: 2 problems');
  });

  test.each([
    ['broken.yaml', 'task: [1'],
    ['broken.json', '{"task":'],
    ['broken.toml', 'task = '],
    ['list.yaml', '- 1'],
    ['throws.mjs', 'throw new Error("my own mistake")'],
  ])('%s is named', async (name, content) => {
    const { stderr, code } = await runCli(['train', await file(name, content), '--dry-run']);
    expect(code).toBe(2);
    expect(stderr).toContain(name);
  });

  test('an unknown task and a module without a family are refused before the model loads', async () => {
    const unknown = await runCli(['train', 'code-breaker', '--task', 'code-braker', '--out', join(folder, 'never')]);
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toContain('did you mean `code-breaker`?');
    const module = await file('family.mjs', 'export default { name: "half", turns: 1 }');
    const half = await runCli(['train', 'code-breaker', '--task', module, '--out', join(folder, 'never')]);
    expect(half.stderr).toContain('family.verify: is missing; it must be a function');
    expect(await readdir(folder)).not.toContain('never');
  });

  test('--dry-run writes nothing', async () => {
    const path = join(folder, 'dry');
    await mkdir(path);
    await resolved('code-breaker', '--out', join(path, 'run'));
    expect(await readdir(path)).toEqual([]);
  });
});

test('a reader that leaves early ends the program quietly', async () => {
  const { stderr, code } = await runCli(['train', '--help'], { onStdout: (_, child) => child.stdout?.destroy() });
  expect(stderr).toBe('');
  expect(code).toBe(0);
});
