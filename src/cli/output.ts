/** What a command prints. Results go to stdout, everything said to a person beside them to stderr. */
import { once } from 'node:events';

let whenClosed: () => void = () => process.exit(0);

/** Ends the process quietly when the reader of stdout has gone (`| head -1`); otherwise an error there is thrown. */
export function watchClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      whenClosed();
    });
  }
}

/** Runs `action`, once, instead of ending the process when the reader of stdout has gone. */
export function onClosedOutput(action: () => void): void {
  whenClosed = () => {
    whenClosed = () => {};
    action();
  };
}

/** One line, waiting where the reader is slower than we are. */
export async function printLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`) && process.stdout.writable) await once(process.stdout, 'drain');
}

/** One JSON value on one line. */
export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value));
}

/** A line to the person at the terminal. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
