/** Fuzzing in the tests: a second or two each time, as long as EXIT_RL_FUZZ_SECONDS says on request. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExitError } from '../../../src/errors.js';

const root = fileURLToPath(new URL('../../corpus', import.meta.url));
const asked = process.env.EXIT_RL_FUZZ_SECONDS;
const seconds = Number(asked ?? 1);

export interface CorpusFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files of test/corpus/<parser>, by name. */
export function readCorpus(parser: string): CorpusFile[] {
  const folder = join(root, parser);
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

/** Milliseconds that one input may take on a busy machine. */
const longest = 10_000;

/** Runs the parser: it answers, or throws an error of ours that says something in one short text. */
async function requireTyped(parse: (input: never) => unknown, input: unknown): Promise<void> {
  const began = performance.now();
  try {
    await parse(input as never);
  } catch (error) {
    if (!ExitError.isInstance(error)) throw error;
    expect(error.message.length).toBeGreaterThan(0);
    expect(error.message.length).toBeLessThan(20_000);
  }
  expect(performance.now() - began).toBeLessThan(longest);
}

/** The smallest input that was found to fail is left as a file, to be kept in the corpus once it is understood. */
function keepFailure(name: string, input: unknown): string {
  const bytes = Buffer.isBuffer(input) ? input : Buffer.from(JSON.stringify(input) ?? String(input));
  const file = join(tmpdir(), `exit-rl-fuzz-${name}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`);
  writeFileSync(file, bytes);
  return file;
}

/** Declares the test of one parser: every input of `inputs` is answered or refused with a typed error, in time. */
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
      // The seed is fixed so that a commit is judged by the same inputs; a long run takes new ones each time.
      const seed = asked === undefined ? { seed: 1 } : {};
      const limits = { numRuns: 1_000_000_000, interruptAfterTimeLimit: seconds * 1000 };
      const found = await fc.check(property, { ...seed, ...limits });
      // The time limit leaves the last one running, with files that the next test would meet.
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
