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

export async function record(
  { run, config }: Recorded,
  row: MetricsRow,
  scored: readonly ScoredGroup[] = [],
  factors: readonly Float64Array[] = [],
): Promise<void> {
  if (run === undefined) return;
  await run.folder.metrics.append([row]);
  const traced = scored.map((one, at) => ({ ...one, ...(factors[at] && { factors: factors[at] }) }));
  const lines = traceUpdate(row.update, traced, config.traces);
  if (lines.length > 0) await run.folder.traces.append(lines);
}
