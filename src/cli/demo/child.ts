/** Runs this program as a child process and reads its JSON lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CancelledError, ExitRlError } from '../../errors.js';
import { stopWithParent } from '../starter.js';

export interface ChildOptions {
  /** Arguments of node; the first is the program's file. */
  readonly arguments: readonly string[];
  /** Receives every line of standard output that is a JSON object. */
  readonly onLine: (value: Readonly<Record<string, unknown>>) => void;
  /** Sends SIGINT once when aborted; the child then ends by itself. */
  readonly signal: AbortSignal;
}

/** The number of last lines of standard error that explain a failure. */
const keptErrorLines = 20;

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function failure(args: readonly string[], code: number | null, signal: string | null, errors: readonly string[]) {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const command = args.slice(1).join(' ');
  return new ExitRlError('CHILD_FAILED', [`\`exit-rl ${command}\` ended with ${how}`, ...errors].join('\n'), {
    code,
    signal,
  });
}

/**
 * Resolves when the child exits with code 0.
 * @throws CancelledError when it ended after `signal`, otherwise ExitRlError `CHILD_FAILED` with its last error lines.
 */
export async function runChild({ arguments: args, onLine, signal }: ChildOptions): Promise<void> {
  if (signal.aborted) throw new CancelledError();
  // In a separate process group: Ctrl-C reaches the children through us, once, so that each can save before it ends.
  const env = { ...process.env, [stopWithParent]: '1' };
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env });
  const interrupt = (): void => void child.kill('SIGINT');
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', interrupt, { once: true });
  // A second Ctrl-C leaves at once; no child may outlive us.
  process.once('exit', kill);
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const value = parseObject(line);
    if (value !== undefined) onLine(value);
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line);
    if (errors.length > keptErrorLines) errors.shift();
  });
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, string | null];
    if (signal.aborted) throw new CancelledError();
    if (code !== 0) throw failure(args, code, killedBy, errors);
  } finally {
    signal.removeEventListener('abort', interrupt);
    process.off('exit', kill);
  }
}
