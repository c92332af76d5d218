/** Runs a command with its whole output in a log file. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetupError } from './progress.mjs';

const tailLines = 30;

/**
 * Resolves when the command succeeds; otherwise rejects with the end of its log.
 * @param {{ command: string, args: string[], cwd: string, log: string, env?: NodeJS.ProcessEnv,
 *   onText?: (text: string) => void }} options
 * @returns {Promise<void>}
 */
export async function runLogged({ command, args, cwd, log, env = process.env, onText }) {
  mkdirSync(dirname(log), { recursive: true });
  const file = createWriteStream(log);
  file.write(`$ ${command} ${args.join(' ')}\n`);
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const endChild = () => void child.kill();
  process.once('exit', endChild);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      file.write(chunk);
      onText?.(chunk.toString());
    });
  }
  const reason = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? '' : signal ? `ended by ${signal}` : `exit code ${code}`));
  });
  process.removeListener('exit', endChild);
  await new Promise((resolve) => file.end(resolve));
  if (reason) throw new SetupError(`${command} failed (${reason}). The end of ${log}:\n${tail(log)}`);
}

/** @param {string} log */
function tail(log) {
  const lines = readFileSync(log, 'utf8').split(/[\r\n]+/);
  return lines
    .filter((line) => line.trim() && !/^\s*Building \[/.test(line))
    .slice(-tailLines)
    .join('\n');
}
