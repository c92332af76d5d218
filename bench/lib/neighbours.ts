/** How busy other processes kept the machine during a measurement: both sides slow down, but not by the same factor. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Linux counts CPU time in hundredths of a second, whatever its clock. */
const ticksPerSecond = 100;

/** Above this share of all cores a row says nothing reliable. */
export const tooBusy = 0.1;

/** Seconds that all processes together have used; 0 where there is no /proc. */
function machineSeconds(): number {
  const fields = readText('/proc/stat').split('\n')[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0, steal = 0] = fields;
  return (user + nice + system + interrupts + softInterrupts + steal) / ticksPerSecond;
}

function processSeconds(id: number): number {
  // The name in parentheses may hold spaces.
  const fields = readText(`/proc/${id}/stat`).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Starts watching; the function it returns gives the share of all cores that processes other than `own` used since. */
export function watchNeighbours(own: readonly number[]): () => number {
  const foreign = (): number => machineSeconds() - own.reduce((sum, id) => sum + processSeconds(id), 0);
  const [began, before] = [performance.now(), foreign()];
  return () => Math.max(0, foreign() - before) / (((performance.now() - began) / 1000) * availableParallelism());
}
