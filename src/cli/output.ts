/** Prints results to stdout and messages to stderr, and ends the work when stdout takes no more. */
import { once } from 'node:events';
import { fstatSync, writeSync } from 'node:fs';
import { NonFiniteError } from '../errors.js';

const leave = (): void => process.exit();
let whenClosed: () => void = leave;
let hasEnded = false;

/** Fixes of what keeps a file or a device from taking more. */
const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'its disk is full: free space',
  EDQUOT: 'the disk quota is used up: free space',
  EFBIG: 'the file is too large for its disk or for `ulimit -f`',
};

/** Acts on a failed write: the reader has gone, the terminal has gone, or results are being lost. */
function endOutput(error: NodeJS.ErrnoException): void {
  if (hasEnded) return;
  hasEnded = true;
  // A terminal that was closed has said so by SIGHUP; a disowned process goes on without it.
  if (process.stdout.isTTY && error.code === 'EIO') return;
  if (error.code !== 'EPIPE') {
    const { code = 'unknown' } = error;
    say(`error: standard output cannot be written (${code})${fixes[code] ? `: ${fixes[code]}` : ''}`);
    process.exitCode = 1;
  }
  whenClosed();
}

/** A write to a file may take a part of the bytes without an error, and Node's stream would drop the rest. */
function writeWhole(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length && !hasEnded; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') endOutput(error as NodeJS.ErrnoException);
    }
  }
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

type Write = typeof process.stdout.write;

const writeToFile: Write = (chunk: Uint8Array | string, encodingOrDone?: unknown, done?: (error?: Error) => void) => {
  const encoding = typeof encodingOrDone === 'string' ? (encodingOrDone as BufferEncoding) : 'utf8';
  writeWhole(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
  const callback = typeof encodingOrDone === 'function' ? (encodingOrDone as () => void) : done;
  if (callback) process.nextTick(callback);
  return true;
};

/**
 * Ends the process quietly when the reader of stdout has closed the pipe (`| head -1`), and with one line and exit code 1
 * when stdout cannot be written. What stderr does not take is lost: messages are not results.
 */
export function watchOutput(): void {
  if (isFile(1)) process.stdout.write = writeToFile;
  process.stdout.on('error', endOutput);
  process.stderr.on('error', () => {});
}

/** Runs `action` once, instead of ending the process, when stdout takes no more. */
export function onClosedOutput(action: () => void): void {
  whenClosed = () => {
    whenClosed = () => {};
    action();
  };
}

/** Prints one line, and waits while the reader is slower than the program. */
export async function printLine(line: string): Promise<void> {
  if (hasEnded || process.stdout.write(`${line}\n`) || !process.stdout.writable) return;
  // A failure ends the work by itself.
  await once(process.stdout, 'drain').catch(() => undefined);
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
