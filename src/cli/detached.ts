/**
 * Lets a process outlive its terminal where it was started to. `nohup` has SIGHUP ignored, but Node undoes that when it
 * starts; what is left of it is that no stream is the terminal any more.
 */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Whether this process belongs to a terminal. A scheduler's job belongs to none, so that its SIGHUP is a request to stop. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

// Asked when the program starts: a terminal that was closed is nobody's any more.
const isDetached = ![0, 1, 2].some((stream) => isatty(stream)) && hasTerminal();

/** Whether the process belongs to a terminal and reads and writes elsewhere, as after `nohup` and `</dev/null >log 2>&1 &`. */
export const outlivesTerminal = (): boolean => isDetached;

/** Has SIGHUP ignored by a process that outlives its terminal. */
export function ignoreHangUp(): void {
  if (isDetached) process.on('SIGHUP', () => {});
}
