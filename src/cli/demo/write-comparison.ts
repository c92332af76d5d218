/** Writes the comparison folder: comparison.json, which gains a row as each run ends, and report.html. */
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunFolderError } from '../../errors.js';
import type { ComparisonRow } from '../../evaluation/compare.js';
import type { Comparison } from '../../report/records.js';
import { holdsFailedStarts } from '../../run/failed-start.js';
import type { DemoPlan } from './plan.js';

/** The base first, then the plan's order, whatever ended first. */
function inOrder(plan: DemoPlan, rows: readonly ComparisonRow[]): ComparisonRow[] {
  const order = [null, ...plan.runs.map(({ folder }) => folder)];
  return [...rows].sort((one, other) => order.indexOf(one.run) - order.indexOf(other.run));
}

const oneSeed = 'One seed: a run differs from the next by several points. --seeds 5 gives differences seed by seed.';

/** The limits of what a plan can show. */
export function planNotes(plan: DemoPlan): string[] {
  const short = `Too short to compare methods: ${plan.updates} updates instead of ${plan.fullUpdates}, and one draw. Leave --quick out for the comparison.`;
  return [...(plan.updates < plan.fullUpdates ? [short] : []), ...(plan.seeds.length === 1 ? [oneSeed] : [])];
}

export function compareRows(plan: DemoPlan, rows: readonly ComparisonRow[]): Comparison {
  return {
    task: 'code-breaker',
    recipe: plan.recipe,
    seeds: plan.seeds,
    rows: inOrder(plan, rows),
    notes: planNotes(plan),
  };
}

/**
 * Creates the folder, which must be new, empty or of a demo whose runs made no update: two demos in one folder would mix
 * their runs.
 * @throws RunFolderError when it is not empty or cannot be created.
 */
export async function prepareFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    const names = await readdir(out);
    if (names.length === 0 || (await holdsFailedStarts(out))) return;
  } catch (error) {
    throw new RunFolderError(`${out}: ${(error as Error).message}`, { folder: out }, { cause: error });
  }
  throw new RunFolderError(`${out}: is not empty; choose another --out`, { folder: out });
}

export async function writeComparison(out: string, comparison: Comparison): Promise<void> {
  const file = join(out, 'comparison.json');
  await writeFile(`${file}.part`, `${JSON.stringify(comparison, null, 2)}\n`);
  await rename(`${file}.part`, file);
}
