/** Lines about what a folder holds and nobody reads: to the caller who asks for them, otherwise to standard error. */

/** Receives one line, without a line end. */
export type OnNotice = (line: string) => void;

const written = new Set<string>();

/** Writes a line to standard error, once in a process: a folder is often loaded twice. Lines name their file. */
const writeOnce: OnNotice = (line) => {
  if (written.has(line)) return;
  written.add(line);
  process.stderr.write(`note: ${line}\n`);
};

/** Passes every line on, by default to standard error. */
export function passNotices(lines: readonly string[], onNotice: OnNotice = writeOnce): void {
  for (const line of lines) onNotice(line);
}
