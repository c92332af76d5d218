/**
 * npx tsx bench/run.ts [rollout|update|iteration …] [--threads N] [--model FOLDER] [--json]
 *
 * Compares exit-rl with transformers and TRL on this machine: same weights and lengths, the two sides in turn. Prints a
 * table and writes bench/results/KIND-threads-N-DATE.json. Installs the peers into bench/.venv unless EXIT_RL_BENCH_PYTHON
 * names a Python that has them.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensurePeers, scratchFolder } from '../scripts/venv.js';
import { LocalPolicy } from '../src/policy/local-policy.js';
import { benchIteration } from './iteration.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { Peer, prepareModel } from './lib/peer.js';
import { printTable } from './lib/table.js';
import { benchRollout, type Report } from './rollout.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const kinds = ['rollout', 'update', 'iteration'];

interface Wanted {
  readonly wanted: ReadonlySet<string>;
  readonly threads: number;
  readonly model: string | undefined;
  readonly json: boolean;
}

function readArguments(): Wanted {
  const options = { threads: { type: 'string' }, model: { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const unknown = positionals.find((kind) => !kinds.includes(kind));
  if (unknown) throw new Error(`unknown benchmark '${unknown}': ${kinds.join(', ')}`);
  const threads = Number(values.threads ?? availableParallelism());
  if (!Number.isInteger(threads) || threads < 1)
    throw new Error(`--threads ${values.threads} is not a number of threads`);
  return {
    wanted: new Set(positionals.length ? positionals : kinds),
    threads,
    model: values.model,
    json: values.json === true,
  };
}

/** Makes a copy of the shipped model, or random weights of its shape, without end tokens. */
function openModel(python: string, model: string | undefined): { folder: string; name: string } {
  const shipped = join(root, 'models', 'tiny');
  const source = model ?? (existsSync(join(shipped, 'model.safetensors')) ? shipped : '-');
  const folder = join(scratchFolder, 'model');
  prepareModel(python, source, folder);
  return { folder, name: source === '-' ? 'random Llama of the default shape' : source.replace(root, '') };
}

interface Measuring extends Pick<Wanted, 'wanted' | 'threads'> {
  readonly folder: string;
  readonly peer: Peer;
  readonly report: Report;
}

async function measureAll({ wanted, threads, folder, peer, report }: Measuring) {
  const policy = await LocalPolicy.load(folder, { device: 'cpu', threads });
  try {
    const { versions } = await peer.ask<{ versions: Record<string, string> }>({ do: 'load', folder, threads });
    const info = policy.info();
    const sides = { policy, peer, vocabularySize: info.vocabularySize };
    const rows = wanted.has('rollout') ? await benchRollout(sides, report) : [];
    if (wanted.has('update') || wanted.has('iteration')) rows.push(...(await benchIteration(sides, report, wanted)));
    return { versions, backend: info.backend, rows };
  } finally {
    await policy.close();
  }
}

function writeResult(result: { threads: number; date: string }, wanted: ReadonlySet<string>): string {
  const folder = join(root, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const name = wanted.size === kinds.length ? 'all' : [...wanted].join('-');
  const file = join(folder, `${name}-threads-${result.threads}-${result.date.slice(0, 10)}.json`);
  writeFileSync(file, `${JSON.stringify(result, roundNumbers, 1)}\n`);
  return file;
}

const roundNumbers = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(5)) : value;

async function main() {
  const { wanted, threads, model, json } = readArguments();
  const python = ensurePeers();
  const { folder, name } = openModel(python, model);
  const origin = {
    date: new Date().toISOString(),
    ...describeCommit(),
    machine: describeMachine(),
    threads,
    model: name,
  };
  const peer = new Peer(python);
  const report: Report = ({ label, ratio }) => {
    if (!json) console.error(`${label}: ${ratio.toFixed(1)}×`);
  };
  const measured = await measureAll({ wanted, threads, folder, peer, report }).finally(() => peer.close());
  const result = { ...origin, loadAfter: loadavg()[0], ...measured };
  const file = writeResult(result, wanted);
  if (json) console.log(JSON.stringify(result));
  else {
    printTable(result.rows);
    console.log(
      `\n${threads} threads, ${origin.machine.cpu}, load ${origin.machine.loadBefore.toFixed(1)} before; ${file}`,
    );
  }
}

await main();
