/** Reports a failed command: one line that names key, file and fix; exit code 1, or 2 for wrong usage. */
import { ConfigError, ExitRlError, UsageError } from '../errors.js';
import { say } from './output.js';

function isUsageError(error: unknown): boolean {
  if (UsageError.isInstance(error) || ConfigError.isInstance(error)) return true;
  return error instanceof Error && error.constructor.name === 'CACError';
}

function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return isUsageError(error) && !ConfigError.isInstance(error) ? `${message} (see \`exit-rl --help\`)` : message;
}

/** Prints the error, as one JSON object with `json`, and sets the exit code. EXIT_RL_DEBUG=1 adds the stack. */
export function reportFailure(error: unknown, json: boolean): void {
  process.exitCode = isUsageError(error) ? 2 : 1;
  const facts = ExitRlError.isInstance(error) ? { code: error.code, fields: error.fields } : { code: 'FAILED' };
  if (json) say(JSON.stringify({ error: { message: describe(error), ...facts } }));
  else say(`error: ${describe(error)}`);
  if (process.env.EXIT_RL_DEBUG === '1' && error instanceof Error) say(error.stack ?? '');
}
