/** Reads the data of a run: all files of both splits, all problems at once, before any model loads. */
import { createRng } from '../rng.js';
import { findFiles, hasTestSplit, type Split } from './files.js';
import { type DataLimits, defaultLimits } from './limits.js';
import { type DataRow, type RowSettings, rowConverter } from './row.js';
import { Collector } from './sink.js';

export interface DataSettings extends RowSettings {
  /** Files, folders or patterns. */
  readonly train: readonly string[];
  readonly test?: readonly string[] | undefined;
  /** Share of the training rows held out as `test`, where there are no files for it. */
  readonly testShare: number;
  /** Rows of `train` that are used, the first ones; 0 uses all. */
  readonly limit: number;
  /** Decides which rows `testShare` holds out. */
  readonly splitSeed: number;
}

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
  for (const found of await findFiles(sources, split)) {
    if (!collector.open) break;
    const { path } = found;
    const before = rows.length;
    if ('message' in found) {
      collector.add({ file: path, message: found.message, ...(found.hint && { hint: found.hint }) });
    } else {
      const sink = collector.sinkOf(path, convert, rows);
      await found.read(path, sink, columns);
      if (sink.open && rows.length === before && !sink.troubled) sink.problem('holds no rows');
    }
  }
  return rows;
}

/** Exactly ⌈share · n⌉ rows, chosen by the seed, leave `train` for `test`; both keep their order. At least one stays. */
function holdOut(rows: readonly DataRow[], share: number, seed: number): DataSet {
  const count = Math.min(Math.ceil(share * rows.length), rows.length - 1);
  const rng = createRng(seed).fork('held out');
  const places = rows.map((_, at) => at);
  for (let at = 0; at < count; at++) {
    const other = at + rng.int(places.length - at);
    [places[at], places[other]] = [places[other] as number, places[at] as number];
  }
  const out = new Set(places.slice(0, Math.max(0, count)));
  return { train: rows.filter((_, at) => !out.has(at)), test: rows.filter((_, at) => out.has(at)) };
}

/** Files for `test`: those named, or those of the training folder itself. */
async function testSources({ train, test }: DataSettings): Promise<readonly string[]> {
  if (test !== undefined) return test;
  const folders: string[] = [];
  for (const source of train) if (await hasTestSplit(source)) folders.push(source);
  return folders;
}

/** @throws DataError with every problem found, up to a limit. */
export async function loadData(settings: DataSettings, limits: DataLimits = defaultLimits): Promise<DataSet> {
  const reading: Reading = { settings, collector: new Collector(limits) };
  const found = await readSplit(reading, settings.train, 'train');
  const sources = await testSources(settings);
  const test = sources.length > 0 ? await readSplit(reading, sources, 'test') : [];
  reading.collector.finish();
  const train = settings.limit > 0 ? found.slice(0, settings.limit) : found;
  return sources.length > 0 || settings.testShare === 0
    ? { train, test }
    : holdOut(train, settings.testShare, settings.splitSeed);
}
