/** What an update leaves in the run folder: its line of metrics, and the rollouts that are traced. */
import type { ScoredGroup } from './batch.js';
import type { MetricsRow } from './metrics.js';
import type { Run } from './run.js';
import type { Traces } from './settings.js';
import { traceUpdate } from './traces.js';

export interface Recorded {
  readonly run?: Run;
  readonly config: { readonly traces: Traces };
}

export async function recordMetrics({ run }: Pick<Recorded, 'run'>, row: MetricsRow): Promise<void> {
  if (run === undefined) return;
  await run.folder.metrics.append([row]);
  await run.folder.events?.append(row);
}

export async function recordTraces(
  { run, config }: Recorded,
  update: number,
  scored: readonly ScoredGroup[],
  factors: readonly Float64Array[],
): Promise<void> {
  if (run === undefined) return;
  const traced = scored.map((one, at) => ({ ...one, ...(factors[at] && { factors: factors[at] }) }));
  const lines = traceUpdate(update, traced, config.traces);
  if (lines.length > 0) await run.folder.traces.append(lines);
}
