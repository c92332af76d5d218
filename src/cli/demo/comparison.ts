/** Writes the comparison folder: comparison.json, which gains a row as each run ends, and report.html. */
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunFolderError } from '../../errors.js';
import { type Acceptance, type ComparisonRow, checkAcceptance } from '../../evaluation/compare.js';
import type { Comparison } from '../../report/records.js';
import { notesOf } from './notes.js';
import type { DemoPlan } from './plan.js';

export interface DemoComparison extends Comparison {
  /** The acceptance of the embedded default; absent with too few seeds to decide. */
  readonly acceptance?: Acceptance;
}

/** The least number of seeds for the acceptance. */
const acceptanceSeeds = 5;

/** Sorts the base first, then by the plan's order, whatever ended first. */
function sortRows(plan: DemoPlan, rows: readonly ComparisonRow[]): ComparisonRow[] {
  const order = [null, ...plan.runs.map(({ folder }) => folder)];
  return [...rows].sort((one, other) => order.indexOf(one.run) - order.indexOf(other.run));
}

export function compareRows(plan: DemoPlan, rows: readonly ComparisonRow[]): DemoComparison {
  const complete = rows.length === plan.runs.length + 1 && plan.updates >= plan.fullUpdates;
  const decided = complete && plan.seeds.length >= acceptanceSeeds;
  return {
    task: 'code-breaker',
    recipe: plan.recipe,
    seeds: plan.seeds,
    rows: sortRows(plan, rows),
    notes: notesOf(plan),
    ...(decided && { acceptance: checkAcceptance(rows) }),
  };
}

/**
 * Creates the folder, which must be new or empty: two demos in one folder would mix their runs.
 * @throws RunFolderError when it is not empty or cannot be created.
 */
export async function prepareFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    const names = await readdir(out);
    if (names.length === 0) return;
  } catch (error) {
    throw new RunFolderError(`${out}: ${(error as Error).message}`, { folder: out }, { cause: error });
  }
  throw new RunFolderError(`${out}: is not empty; choose another --out`, { folder: out });
}

export async function writeComparison(out: string, comparison: DemoComparison): Promise<void> {
  const file = join(out, 'comparison.json');
  await writeFile(`${file}.part`, `${JSON.stringify(comparison, null, 2)}\n`);
  await rename(`${file}.part`, file);
}
