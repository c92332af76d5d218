/** The rows of test/world: one file for each input as the world publishes it, with the value of the reference. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One published input. */
export interface WorldRow<Input, Expect> {
  /** Who publishes such an input, and which program in which version gives the expected value. */
  readonly source: string;
  /** The script that made the row, relative to the repository, or `by hand` where the source states the value. */
  readonly script: string;
  readonly input: Input;
  readonly expect: Expect;
}

export const worldFolder = join(import.meta.dirname, '..');

/** The kinds of input: the folders of test/world that hold rows. */
export function worldKinds(): string[] {
  return readdirSync(worldFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'support')
    .map((entry) => entry.name);
}

/** The rows of a kind, as [name, row] for `test.each`: every `.json` file of its folder. Files beside them belong to rows. */
export function worldRows<Input, Expect>(kind: string): [string, WorldRow<Input, Expect>][] {
  return readdirSync(join(worldFolder, kind))
    .filter((name) => name.endsWith('.json'))
    .map((name) => [name.slice(0, -'.json'.length), JSON.parse(readFileSync(join(worldFolder, kind, name), 'utf8'))]);
}
