/** Runs the product on the rows of model folders: a fixture with a published config, or with other weights. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ModelFolderError } from '../../../src/errors.js';
import { LocalPolicy } from '../../../src/policy/local-policy.js';
import { backends, largestGap, toTokenBatch } from '../../golden/support.js';
import { changeWeights, copyModel, type WeightChange } from '../../support/model-folder.js';

export interface ModelInput {
  /** A folder of test/golden/models. */
  readonly fixture: string;
  /** Replaces its config.json. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly changes?: readonly WeightChange[];
}

/** The key that is refused; or the notices, each in part, and the reference's last log-probabilities of `sequence`. */
export type ModelExpect =
  | { readonly refused: string }
  | { readonly notices: readonly string[]; readonly logprobs: readonly number[] };

/** Forty tokens below 60, as the script has them. */
const sequence = Array.from({ length: 40 }, (_, place) => (7 * place + 3) % 60);

/** The folder that a row describes. */
export function folderOf({ fixture, config, changes = [] }: ModelInput): string {
  const folder = copyModel(fixture);
  if (config !== undefined) writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  changeWeights(folder, changes);
  return folder;
}

/** The log-probabilities of `sequence` after its first `prompt` tokens. */
export async function logprobsOf(policy: LocalPolicy, prompt: number): Promise<number[]> {
  const batch = toTokenBatch([{ prompt: sequence.slice(0, prompt), completion: sequence.slice(prompt) }]);
  const [logprobs = new Float32Array()] = await policy.logprobs(batch);
  return [...logprobs];
}

/** Expects what the row states, on our kernels and on libtorch. */
export async function expectRow(input: ModelInput, expected: ModelExpect): Promise<void> {
  const folder = folderOf(input);
  for (const backend of backends) {
    const lines: string[] = [];
    const options = { device: 'cpu', threads: 1, backend, onNotice: (line: string) => void lines.push(line) };
    if ('refused' in expected) {
      const error = await LocalPolicy.load(folder, options).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(ModelFolderError.isInstance(error), String(error)).toBe(true);
      expect(String(error)).toContain(`config.json\`: \`${expected.refused}\` is `);
      continue;
    }
    const policy = await LocalPolicy.load(folder, options);
    const found = await logprobsOf(policy, sequence.length - expected.logprobs.length);
    await policy.close();
    expect(largestGap(found, expected.logprobs)).toBeLessThan(1e-4);
    expect(lines.length, lines.join('\n')).toBe(expected.notices.length);
    for (const [at, part] of expected.notices.entries()) expect(lines[at]).toContain(part);
  }
}
