/** The best checkpoint of a run, told by what its newest one knows of the evaluations. */
import { type FoundCheckpoint, listCheckpoints } from './checkpoint.js';
import { verifyCheckpoint } from './manifest.js';
import { readState } from './state.js';

/** Undefined for a run without `best.metric`, or without an evaluation yet. */
export async function bestCheckpoint(run: string): Promise<FoundCheckpoint | undefined> {
  const all = await listCheckpoints(run);
  const [newest] = all;
  if (newest === undefined) return undefined;
  const { best } = (await readState(newest.folder)).progress;
  const found = all.find(({ update }) => update === best?.update);
  if (found !== undefined) await verifyCheckpoint(found.folder);
  return found;
}
