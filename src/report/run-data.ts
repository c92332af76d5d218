/** Reads a run folder or a comparison folder; missing or damaged content is an error that names file and line. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { realDisk } from '../disk/disk.js';
import { type FolderKind, folderKind } from '../disk/folder-kind.js';
import { describeForeign } from '../disk/foreign.js';
import { RunFolderError } from '../errors.js';
import type { Evaluation } from '../evaluation/evaluation.js';
import {
  type Comparison,
  type ConfigRecord,
  comparisonSchema,
  configSchema,
  evaluationSchema,
  type MetricsLine,
  metricsLineSchema,
} from './records.js';

export interface RunData {
  readonly kind: 'run';
  readonly folder: string;
  readonly config: ConfigRecord;
  readonly method: string;
  readonly seed: number;
  /** By update, ascending; empty for a run without a finished update. */
  readonly metrics: readonly MetricsLine[];
  readonly evaluation: Evaluation | undefined;
}

export interface ComparisonData {
  readonly kind: 'comparison';
  readonly folder: string;
  readonly comparison: Comparison;
  /** The existing run folders, in the order of the rows. */
  readonly runs: readonly RunData[];
  /** Rows without a run folder: the page omits their curves and notes it. */
  readonly missing: readonly string[];
}

interface Place {
  readonly file: string;
  /** Counted from 1. */
  readonly line?: number;
}

function damaged({ file, line }: Place, reason: string): RunFolderError {
  const place = line === undefined ? file : `${file}:${line}`;
  return new RunFolderError(`${place}: ${reason}`, { file, ...(line === undefined ? {} : { line }), reason });
}

/** Reads a file's text; undefined where the file does not exist. */
async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw damaged({ file }, `cannot be read (${(error as Error).message})`);
  }
}

/** Finds the line of a JSON syntax error, where the engine's message gives its position. */
function syntaxLine(text: string, error: Error): number | undefined {
  const position = /position (\d+)/.exec(error.message)?.[1];
  return position === undefined ? undefined : text.slice(0, Number(position)).split('\n').length;
}

function parseJson(text: string, place: Place): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const line = place.line ?? syntaxLine(text, error as Error);
    throw damaged({ ...place, ...(line === undefined ? {} : { line }) }, `is not JSON (${(error as Error).message})`);
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown, place: Place): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`);
  throw damaged(place, problems.join('; '));
}

async function readJson<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema> | undefined> {
  const text = await readText(file);
  return text === undefined ? undefined : check(schema, parseJson(text, { file }), { file });
}

function metricsLine(text: string, place: Place): [number, MetricsLine] {
  const record = check(metricsLineSchema, parseJson(text, place), place);
  const values = Object.entries(record).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return [record.update, new Map(values)];
}

/**
 * Parses the lines of metrics.jsonl by update. A last line without its line end is still being written: it is omitted
 * when it cannot be parsed yet. Of two lines of one update the later counts.
 * @throws RunFolderError that names file and line of any other invalid line.
 */
export function parseMetrics(text: string, file: string): MetricsLine[] {
  const lines = text.split('\n');
  const unfinished = lines.pop() ?? '';
  const byUpdate = new Map(
    lines.flatMap((line, index) => (line.trim() === '' ? [] : [metricsLine(line, { file, line: index + 1 })])),
  );
  try {
    if (unfinished.trim() !== '') byUpdate.set(...metricsLine(unfinished, { file, line: lines.length + 1 }));
  } catch {
    // An incomplete line; a later report contains it.
  }
  return [...byUpdate].sort(([one], [other]) => one - other).map(([, line]) => line);
}

/** Reads a run folder, even while the run trains: only config.json is required. */
async function readRun(folder: string): Promise<RunData> {
  const file = path.join(folder, 'config.json');
  const config = await readJson(file, configSchema);
  if (config === undefined) throw damaged({ file }, 'is missing: this is not a run folder');
  const metricsFile = path.join(folder, 'metrics.jsonl');
  return {
    kind: 'run',
    folder,
    config,
    method: config.method ?? 'run',
    seed: config.seed ?? 0,
    metrics: parseMetrics((await readText(metricsFile)) ?? '', metricsFile),
    evaluation: await readJson(path.join(folder, 'evaluation.json'), evaluationSchema),
  };
}

/** Resolves the folder of a row, which must lie inside the comparison folder. */
function rowFolder(folder: string, run: string, file: string): string {
  const inside = path.relative(folder, path.resolve(folder, run));
  if (path.isAbsolute(run) || inside.startsWith('..')) throw damaged({ file }, `run '${run}' lies outside the folder`);
  return path.join(folder, inside);
}

async function readComparison(folder: string, file: string, comparison: Comparison): Promise<ComparisonData> {
  const runs: RunData[] = [];
  const missing: string[] = [];
  for (const { run } of comparison.rows) {
    if (run === null) continue;
    const runFolder = rowFolder(folder, run, file);
    if ((await readText(path.join(runFolder, 'config.json'))) === undefined) missing.push(run);
    else runs.push(await readRun(runFolder));
  }
  return { kind: 'comparison', folder, comparison, runs, missing };
}

const wanted = 'name the folder of a run or a comparison';

/** Says what a folder is that is neither a run nor a comparison. */
async function whyNot(folder: string, kind: FolderKind): Promise<string> {
  switch (kind) {
    case 'missing':
      return 'does not exist';
    case 'file':
      return 'is a file';
    case 'empty':
      return 'is empty';
    case 'checkpoint':
      return 'is a checkpoint';
    default: {
      const foreign = await describeForeign(realDisk, folder);
      const what =
        kind === 'model' || kind === 'adapter'
          ? `is the folder of ${kind === 'model' ? 'a' : 'an'} ${kind}`
          : 'is not a run folder';
      return foreign?.problem ?? what;
    }
  }
}

/**
 * Reads a folder of `exit-rl train` or `exit-rl demo`: a comparison where there is a comparison.json, else a run.
 * @throws RunFolderError that names file and line of missing or damaged content, or says what the folder is instead.
 */
export async function readReportFolder(folder: string): Promise<RunData | ComparisonData> {
  const kind = await folderKind(folder);
  const file = path.join(folder, 'comparison.json');
  const comparison = kind === 'missing' || kind === 'file' ? undefined : await readJson(file, comparisonSchema);
  if (comparison !== undefined) return readComparison(folder, file, comparison);
  if (kind === 'run') return readRun(folder);
  throw damaged({ file: folder }, `${await whyNot(folder, kind)}: ${wanted}`);
}
