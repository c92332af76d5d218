/** Measures the load of other processes during a measurement, which slows both sides by different factors. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Linux reports CPU time in hundredths of a second, whatever the tick of the kernel. */
const ticksPerSecond = 100;

/** Share of all cores above which a row is not reliable. */
export const tooBusy = 0.1;

/** Reads the CPU seconds of all processes together; 0 without /proc. */
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

/** Starts watching; the returned function computes the share of all cores that processes other than `own` have used. */
export function watchNeighbours(own: readonly number[]): () => number {
  const foreign = (): number => machineSeconds() - own.reduce((sum, id) => sum + processSeconds(id), 0);
  const began = performance.now();
  const before = foreign();
  return () => Math.max(0, foreign() - before) / (((performance.now() - began) / 1000) * availableParallelism());
}
