/** One status line that rewrites itself on a terminal, and prints at intervals elsewhere. */

const quietSeconds = 10;

/** A problem that the user can fix, printed without a stack. */
export class SetupError extends Error {}

/**
 * @typedef {{ show(text: string): void, say(text: string): void }} Progress
 * @param {NodeJS.WriteStream} stream
 * @returns {Progress}
 */
export function createProgress(stream) {
  let shown = false;
  let spoken = 0;
  /** @param {string} text */
  const rewrite = (text) => {
    stream.write(`\r\x1b[K${text.slice(0, (stream.columns || 80) - 1)}`);
    shown = true;
  };
  return {
    show(text) {
      if (stream.isTTY) return rewrite(text);
      if (performance.now() - spoken < quietSeconds * 1000) return;
      spoken = performance.now();
      stream.write(`${text}\n`);
    },
    say(text) {
      stream.write(`${shown ? '\r\x1b[K' : ''}${text}\n`);
      shown = false;
      spoken = performance.now();
    },
  };
}

/** @param {number} bytes */
export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
