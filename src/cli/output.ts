/** Prints results to stdout, and messages to the user to stderr. */
import { once } from 'node:events';
import { NonFiniteError } from '../errors.js';

let whenClosed: () => void = () => process.exit(0);

/** Ends the process quietly when the reader of stdout has closed the pipe (`| head -1`); rethrows any other error. */
export function watchClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      whenClosed();
    });
  }
}

/** Runs `action` once, instead of ending the process, when the reader of stdout has closed the pipe. */
export function onClosedOutput(action: () => void): void {
  whenClosed = () => {
    whenClosed = () => {};
    action();
  };
}

/** Prints one line, and waits while the reader is slower than the program. */
export async function printLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`) && process.stdout.writable) await once(process.stdout, 'drain');
}

/**
 * Prints a JSON value on one line. JSON shows NaN and infinity as null: a number that is unknown is left out of its object,
 * and a list of numbers is refused.
 * @throws NonFiniteError for a list that holds one.
 */
export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value, requireFinite));
}

function requireFinite(this: unknown, key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  if (!Array.isArray(this)) return undefined;
  throw new NonFiniteError('NON_FINITE', `\`${key}\` is ${value}, which JSON cannot hold`, { what: key });
}

/** Prints a message to the user. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
