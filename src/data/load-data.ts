/** Reads the data of a run before any model loads: all files of both splits, with all problems in one error. */
import {
  chosenBy,
  finiteNumber,
  flag,
  listOf,
  required,
  requireParts,
  share,
  text,
  wholeNumber,
} from '../arguments.js';
import { createRng } from '../rng.js';
import { findFiles, hasTestSplit, type Split } from './data-files.js';
import { type DataLimits, defaultLimits } from './limits.js';
import { type DataRow, type RowSettings, rowConverter } from './row.js';
import { Collector, type RowSink } from './sink.js';

/** The files of a data set, the columns to read, and the split into `train` and `test`. */
export interface DataSettings extends RowSettings {
  /** A file, a folder or a pattern, or a list of them. */
  readonly train: string | readonly string[];
  /** Files of the held-out rows; by default those of the training folders' own test splits. */
  readonly test?: string | readonly string[] | undefined;
  /** Fraction of the training rows to hold out as `test` where no files are given for it; 0 holds out none. */
  readonly testShare: number;
  /** Number of rows of `train` to use, from the first; 0 uses all. */
  readonly limit: number;
  /** Seed that selects the rows that `testShare` holds out. */
  readonly splitSeed: number;
}

const paths = chosenBy('a path or a list of paths', (value) => (Array.isArray(value) ? listOf(text) : text));

/** The parts that are read here; the section `data` of a config has more. */
const settingParts = {
  train: required(paths),
  test: paths,
  testShare: required(share),
  limit: required(wholeNumber),
  splitSeed: required(finiteNumber),
  promptColumn: required(text),
  chat: required(flag),
  columns: listOf(text),
  systemPrompt: text,
};

/** The rows of both splits, in the order of the files. */
export interface DataSet {
  readonly train: readonly DataRow[];
  readonly test: readonly DataRow[];
}

interface Reading {
  readonly settings: DataSettings;
  readonly collector: Collector<DataRow>;
}

async function readSplit(
  { settings, collector }: Reading,
  sources: readonly string[],
  split: Split,
): Promise<DataRow[]> {
  const rows: DataRow[] = [];
  const convert = rowConverter(settings, collector.limits.depth);
  const columns = settings.columns && [settings.promptColumn, ...settings.columns];
  const withoutRows: RowSink[] = [];
  for (const found of await findFiles(sources, split)) {
    if (!collector.open) break;
    const { path } = found;
    const before = rows.length;
    if ('message' in found) {
      collector.add({ file: path, message: found.message, ...(found.hint && { hint: found.hint }) });
    } else {
      const sink = collector.createSink(path, convert, rows);
      await found.read(path, sink, columns);
      if (sink.open && rows.length === before && !sink.troubled) withoutRows.push(sink);
    }
  }
  // A shard without rows is no problem beside others: datasets writes them when it splits a small set.
  if (rows.length === 0) for (const sink of withoutRows) sink.problem('contains no rows');
  return rows;
}

/** Moves ⌈share · n⌉ rows, drawn by the seed, from `train`, which keeps at least one, to `test`; both keep their order. */
function holdOut(rows: readonly DataRow[], share: number, seed: number): DataSet {
  const count = Math.min(Math.ceil(share * rows.length), rows.length - 1);
  const rng = createRng(seed).fork('held out');
  const indices = rows.map((_, at) => at);
  for (let at = 0; at < count; at++) {
    const other = at + rng.int(indices.length - at);
    [indices[at], indices[other]] = [indices[other] as number, indices[at] as number];
  }
  const heldOut = new Set(indices.slice(0, Math.max(0, count)));
  return { train: rows.filter((_, at) => !heldOut.has(at)), test: rows.filter((_, at) => heldOut.has(at)) };
}

/** Finds the sources of `test`: those that the settings name, or the training folders that contain a test split. */
async function findTestSources({ train, test }: DataSettings): Promise<readonly string[]> {
  if (test !== undefined) return [test].flat();
  const folders: string[] = [];
  for (const source of [train].flat()) if (await hasTestSplit(source)) folders.push(source);
  return folders;
}

/**
 * Reads the rows of both splits from JSON Lines, JSON, CSV, TSV, Parquet and Arrow files. `limits` bounds the memory that
 * untrusted files can take.
 *
 * @throws DataError with every problem of every file, up to `limits.problems`; each names file, place and fix.
 * InvalidRequestError for a setting that is missing or of the wrong type.
 *
 * @example
 * import { writeFile } from 'node:fs/promises';
 * import { loadData } from 'exit-rl/data';
 *
 * await writeFile('sums.jsonl', '{"prompt":"2 + 3 = ?","answer":"5"}\n{"prompt":"4 + 4 = ?","answer":"8"}\n');
 * const { train, test } = await loadData({
 *   train: ['sums.jsonl'],
 *   promptColumn: 'prompt',
 *   chat: false,
 *   testShare: 0.5,
 *   splitSeed: 0,
 *   limit: 0,
 * });
 * console.log(train.length, test.length, train[0]?.columns); // 1 1 { answer: … }
 */
export async function loadData(settings: DataSettings, limits: DataLimits = defaultLimits): Promise<DataSet> {
  requireParts('loadData', settings, settingParts);
  const reading: Reading = { settings, collector: new Collector(limits) };
  const rows = await readSplit(reading, [settings.train].flat(), 'train');
  const sources = await findTestSources(settings);
  const test = sources.length > 0 ? await readSplit(reading, sources, 'test') : [];
  reading.collector.finish();
  const train = settings.limit > 0 ? rows.slice(0, settings.limit) : rows;
  return sources.length > 0 || settings.testShare === 0
    ? { train, test }
    : holdOut(train, settings.testShare, settings.splitSeed);
}
