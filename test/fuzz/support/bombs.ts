/** Generates inputs that are small on disk and large in memory or on the stack. */
import type { CorpusFile } from './fuzz.js';

const file = (name: string, text: string): CorpusFile => ({ name, bytes: Buffer.from(text) });
const depth = 5_000;

/** JSON, which YAML parsers read as well. */
export const jsonBombs: readonly CorpusFile[] = [
  file('deep list', `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  file('deep object', `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  file('unclosed', '{"a":['.repeat(depth)),
  file('a long key', `{"${'k'.repeat(50_000)}":1}`),
  file('a long text', `{"task":"${'t'.repeat(50_000)}"}`),
  file('many keys', `{${Array.from({ length: 3_000 }, (_, at) => `"k${at}":0`).join(',')}}`),
  file('a long number', `{"seed":${'9'.repeat(50_000)}}`),
  file('larger than a config may be', `{"task":"${'t'.repeat(10_000_000)}"}`),
  file('nothing', ''),
  file('only a byte order mark', '\ufeff'),
  file('zeros', '\u0000'.repeat(4096)),
];
