/** Prints results to stdout, and messages to the user to stderr. */
import { once } from 'node:events';

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

/** Prints a JSON value on one line. */
export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value));
}

/** Prints a message to the user. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
