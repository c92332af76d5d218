/** Fuzzes parsers within the tests: for a second each, or for EXIT_RL_FUZZ_SECONDS. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExitRlError } from '../../../src/errors.js';

const root = fileURLToPath(new URL('../../corpus', import.meta.url));
const asked = process.env.EXIT_RL_FUZZ_SECONDS;
const seconds = Number(asked ?? 1);

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Reads the files of test/corpus/<parser>, by name. */
export function readCorpus(parser: string): CorpusFile[] {
  const folder = join(root, parser);
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

/** Time limit of one input in milliseconds, for a busy machine. */
const longest = 10_000;

/** Runs the parser, which must return or throw one of our errors with a short message. */
async function requireTyped(parse: (input: never) => unknown, input: unknown): Promise<void> {
  const began = performance.now();
  try {
    await parse(input as never);
  } catch (error) {
    if (!ExitRlError.isInstance(error)) throw error;
    expect(error.message.length).toBeGreaterThan(0);
    expect(error.message.length).toBeLessThan(20_000);
  }
  expect(performance.now() - began).toBeLessThan(longest);
}

/** Writes the smallest failing input to a file, which belongs in the corpus once the failure is understood. */
function keepFailure(name: string, input: unknown): string {
  const bytes = Buffer.isBuffer(input) ? input : Buffer.from(JSON.stringify(input) ?? String(input));
  const file = join(tmpdir(), `exit-rl-fuzz-${name}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`);
  writeFileSync(file, bytes);
  return file;
}

/** Declares the test of one parser: it must parse or refuse every input with a typed error, in time. */
export function fuzz<Input>(name: string, inputs: fc.Arbitrary<Input>, parse: (input: Input) => unknown): void {
  test(
    `${name}: any input is read or refused by name`,
    async () => {
      let executions = 0;
      let last = Promise.resolve();
      const property = fc.asyncProperty(inputs, (input) => {
        executions += 1;
        last = requireTyped(parse, input);
        return last;
      });
      // The seed is fixed so that a commit always gets the same inputs; a long run takes new ones each time.
      const seed = asked === undefined ? { seed: 1 } : {};
      const limits = { numRuns: 1_000_000_000, interruptAfterTimeLimit: seconds * 1000 };
      const found = await fc.check(property, { ...seed, ...limits });
      // At the time limit the last input is still running, with files that would disturb the next test.
      const interrupted = await last.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (asked !== undefined) console.log(`${name}: ${executions} executions in ${seconds} s`);
      if (found.counterexample !== null) {
        const file = keepFailure(name, found.counterexample[0]);
        throw new Error(`an input broke the parser; it is kept in ${file}`, { cause: found.errorInstance });
      }
      if (interrupted !== undefined) throw interrupted;
      expect(executions).toBeGreaterThan(0);
    },
    seconds * 1000 + 30_000,
  );
}

/** Declares the replay of a parser's corpus. */
export function replay(name: string, files: readonly CorpusFile[], parse: (bytes: Buffer) => unknown): void {
  test.each(files)(`${name}: replays $name`, ({ bytes }) => requireTyped(parse, bytes));
}
