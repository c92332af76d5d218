/**
 * Runs models of real shapes through the commands that a user types: doctor, generate --chat, score, one ExIt run of two
 * updates, and compares the log-probabilities of the saved folder with those of transformers.
 *
 *     npx tsx bench/large-models.ts [--shapes qwen2-0.1b,qwen2-0.5b,llama-3.2-1b] [--variants float32,bfloat16,lora]
 *                                   [--device cpu] [--folder DIR] [--out FILE]
 *
 * Weights are random: the benchmark shows that the commands work together, the memory and time that they take, and that
 * both sides read the same numbers from the result. Python with the peers: EXIT_RL_BENCH_PYTHON, else bench/.venv.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensurePeers } from '../scripts/venv.js';
import { describeCommit, describeMachine } from './lib/machine.js';

const { values: options } = parseArgs({
  options: {
    shapes: { type: 'string', default: 'qwen2-0.1b,qwen2-0.5b,llama-3.2-1b' },
    variants: { type: 'string', default: 'float32,bfloat16,lora' },
    device: { type: 'string', default: 'cpu' },
    folder: { type: 'string', default: join(tmpdir(), 'exit-rl-large-models') },
    out: { type: 'string' },
  },
});
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const cli = path('../dist/cli/main.js');
const python = ensurePeers();
const peer = path('peers/large_models.py');

/** The options of each variant. LoRA trains in bfloat16, the usual choice. */
const variants: Readonly<Record<string, { readonly dtype: string } & Readonly<Record<string, unknown>>>> = {
  float32: { dtype: 'float32' },
  bfloat16: { dtype: 'bfloat16', optimizer: { stateDtype: 'bfloat16' } },
  lora: { dtype: 'bfloat16', lora: { rank: 16, alpha: 32, targetModules: 'all-linear' } },
};

interface Cost {
  readonly seconds: number;
  readonly peakGiB: number;
}

interface Ran extends Cost {
  readonly out: string;
}

/** Runs a command; returns its output, its seconds and its peak of resident memory. */
async function run(command: string, parameters: readonly string[], outputFile?: string): Promise<Ran> {
  const began = performance.now();
  const output = outputFile === undefined ? undefined : openSync(outputFile, 'w');
  const child = spawn(command, parameters, { stdio: ['ignore', output ?? 'pipe', 'pipe'] });
  const texts = { out: '', errors: '' };
  child.stdout?.on('data', (data) => {
    texts.out += data;
  });
  child.stderr?.on('data', (data) => {
    texts.errors = (texts.errors + data).slice(-4000);
  });
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, peakOf(child.pid ?? 0));
  }, 50);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(look);
  if (output !== undefined) closeSync(output);
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}:\n${texts.errors}`);
  return { out: texts.out, seconds: (performance.now() - began) / 1000, peakGiB: peak / 2 ** 20 };
}

/** Reads VmHWM in kB; 0 once the process has ended. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const prompts = ['What is 17 + 25?', 'Name three colours.', 'Write a haiku about the sea.', 'Is 91 a prime number?'];
const maxNewTokens = 16;

function writeInputs(folder: string): void {
  const rows = prompts.map((prompt, at) => JSON.stringify({ prompt, answer: String(at) }));
  writeFileSync(join(folder, 'prompts.jsonl'), `${rows.join('\n')}\n`);
  const chats = prompts.map((content) => JSON.stringify({ messages: [{ role: 'user', content }] }));
  writeFileSync(join(folder, 'chats.jsonl'), `${chats.join('\n')}\n`);
  // Random models generate noise, so the share of distinct tokens varies between answers.
  const reward =
    'export const distinct = ({ completionIds }) =>\n' +
    '  completionIds.map((tokens) => tokens.filter((token) => token % 2 === 0).length / Math.max(1, tokens.length));\n';
  writeFileSync(join(folder, 'reward.mjs'), reward);
}

/** Disables the KL penalty of the whole 1.2-billion model: 24 GiB do not hold its reference policy, a second copy. */
const betaOf = (shape: string, variant: string): number => (shape === 'llama-3.2-1b' && variant !== 'lora' ? 0 : 0.001);

function writeConfig(folder: string, model: string, settings: Readonly<Record<string, unknown>>): string {
  const file = join(folder, 'run.json');
  const config = {
    model,
    method: 'exit',
    updates: 2,
    startsPerBatch: 2,
    groupSize: 4,
    data: { train: join(folder, 'prompts.jsonl'), chat: true },
    rewards: [{ file: join(folder, 'reward.mjs') }],
    // Every start is a rewrite from the second update on.
    buffer: { minimumFill: 1 },
    replayProbability: 1,
    sampling: { maxNewTokens },
    overlongFilter: false,
    checkpoint: { every: 0, asynchronous: false },
    gradientCheckpointing: true,
    device: options.device,
    ...settings,
  };
  writeFileSync(file, JSON.stringify(config, null, 2));
  return file;
}

interface Proof {
  readonly shape: string;
  readonly variant: string;
  readonly steps: Readonly<Record<string, Cost>>;
  readonly updates: readonly unknown[];
  readonly transformers: { readonly largest_logprob_gap: number };
}

async function prove(shape: string, variant: string, model: string): Promise<Proof> {
  const folder = join(options.folder, `${shape}-${variant}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeInputs(folder);
  const settings = variants[variant];
  if (settings === undefined) throw new Error(`unknown variant '${variant}': ${Object.keys(variants).join(', ')}`);
  const { dtype } = settings;
  const where = ['--device', options.device, '--dtype', dtype];
  const steps: Record<string, Cost> = {};
  const step = async (name: string, parameters: readonly string[], outputFile?: string): Promise<string> => {
    const { out, seconds, peakGiB } = await run(process.execPath, [cli, ...parameters], outputFile);
    steps[name] = { seconds, peakGiB };
    console.error(`${shape} ${variant} ${name}: ${seconds.toFixed(1)} s, ${peakGiB.toFixed(2)} GiB`);
    return out;
  };
  const chat = ['generate', '--model', model, '--chat', '--prompt', 'Who are you?', '--max-new-tokens', '16'];
  await step('chat', [...chat, ...where]);
  const answers = join(folder, 'answers.jsonl');
  const batch = ['generate', '--model', model, '--input', join(folder, 'chats.jsonl'), '--max-new-tokens', '16'];
  await step('generate', [...batch, ...where], answers);
  const trained = join(folder, 'run');
  await step('train', [
    'train',
    writeConfig(folder, model, { ...settings, objective: { beta: betaOf(shape, variant) } }),
    '--out',
    trained,
    '--json',
  ]);
  const lines = readFileSync(join(trained, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const rows = lines.map((line): unknown => JSON.parse(line));
  const saved = join(trained, readdirSync(trained).find((name) => name.startsWith('checkpoint-')) ?? '');
  // Both sides read the saved folder in fp32, to compare the file and not the precision.
  const exact = ['--device', options.device, '--dtype', 'float32'];
  const tokens = readFileSync(answers, 'utf8')
    .trim()
    .split('\n')
    .map((line): number[] => JSON.parse(line).completions[0].tokens);
  const input = join(folder, 'score.jsonl');
  writeFileSync(input, tokens.map((ids) => `${JSON.stringify({ tokens: ids })}\n`).join(''));
  const scores = join(folder, 'scores.jsonl');
  await step('score saved', ['score', '--model', saved, '--input', input, ...exact], scores);
  const base = existsSync(join(saved, 'adapter_config.json')) ? ['--base', model] : [];
  const check = await run(python, [peer, 'check', saved, scores, ...base]);
  return { shape, variant, steps, updates: rows, transformers: JSON.parse(check.out.trim().split('\n').at(-1) ?? '') };
}

const results: Proof[] = [];
for (const shape of options.shapes.split(',')) {
  const model = join(options.folder, shape);
  if (!existsSync(join(model, 'config.json'))) await run(python, [peer, 'make', shape, model]);
  for (const variant of options.variants.split(',')) results.push(await prove(shape, variant, model));
}
const command = `npx tsx bench/large-models.ts --shapes ${options.shapes} --variants ${options.variants} --device ${options.device}`;
const report = { command, ...describeCommit(), machine: describeMachine(), results };
for (const { shape, variant, transformers } of results) {
  console.log(
    `${shape} ${variant}: transformers reads the same numbers to ${transformers.largest_logprob_gap.toExponential(1)}`,
  );
}
if (options.out) writeFileSync(options.out, `${JSON.stringify(report, null, 2)}\n`);
