/** Command lines and config files as users of TRL write them: the config that they give, or the reason why they are refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readFlagLine } from '../../src/config/flag-line.js';
import { loadSources } from '../../src/config/load-config.js';
import { ConfigError } from '../../src/errors.js';
import { recipes } from '../../src/recipes/index.js';
import { worldRows } from './support/rows.js';

interface Input {
  /** The words after `exit-rl train`; the name of one of `files` stands for its path. */
  readonly words: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

interface Expect {
  /** Our keys with the values of the reference; null where the key is absent. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The key, a part of the message, and the end of the source of every problem; or the whole message. */
  readonly refused?: readonly (readonly [key: string, message: string, source: string])[] | string;
}

/** A model, data and two reward functions, which every line needs here. */
function ownWords({ words, files }: Input): string[] {
  const given = [...words, ...Object.values(files)].some((text) => /reward_funcs|^--rewards/.test(text));
  const rewards = given ? [] : ['--rewards', 'a.ts', 'b.ts'];
  return ['--model', 'm', '--data.train', 'rows.jsonl', '--data.test', 'held.jsonl', ...rewards];
}

async function load(input: Input): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'exit-rl-flags-'));
  try {
    for (const [name, text] of Object.entries(input.files)) await writeFile(join(folder, name), text);
    const words = input.words.map((word) => (Object.hasOwn(input.files, word) ? join(folder, word) : word));
    const options = { command: new Map(), recipes: Object.keys(recipes) };
    const flags = readFlagLine([...words, ...ownWords(input)], options);
    return await loadSources(flags.source, { environment: input.environment ?? {}, flags });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The value at `a.0.b`. */
const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);

const errorOf = (input: Input): Promise<unknown> =>
  load(input).then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a line', () => {
  test.each(worldRows<Input, Expect>('flag-line'))('%s', async (_, { input, expect: { config, refused } }) => {
    if (config !== undefined) {
      const loaded = await load(input);
      const found = Object.fromEntries(Object.keys(config).map((path) => [path, at(loaded, path) ?? null]));
      expect(found).toEqual(config);
      return;
    }
    const error = await errorOf(input);
    if (typeof refused === 'string') {
      expect(String((error as Error).message)).toBe(refused);
      return;
    }
    expect(ConfigError.isInstance(error)).toBe(true);
    const { problems } = error as ConfigError;
    expect(problems.map(({ key }) => key)).toEqual(refused?.map(([key]) => key));
    for (const [place, [, message, source]] of (refused ?? []).entries()) {
      expect(problems[place]?.message).toContain(message);
      expect(problems[place]?.source ?? (error as ConfigError).file).toMatch(
        new RegExp(`${source.replaceAll('.', '\\.')}$`),
      );
    }
  });
});
