/** Compares the keys and kinds of the schema, of the engine's serde types and of docs/objectives.md. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { schemaRows } from '../../src/config/rows.js';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Keys of the section that do not cross to the engine: they split a batch into optimizer steps. */
const notCrossing = ['miniBatches', 'miniBatchOrder'];
const { rows, unions } = schemaRows();
const paths = rows.map(({ path }) => path).filter((path) => path.startsWith('objective.'));
const lastWord = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
const sorted = (words: Iterable<string>): string[] => [...new Set(words)].sort();
const schemaKeys = sorted(paths.map(lastWord).filter((key) => key !== 'kind' && !notCrossing.includes(key)));
const schemaKinds = unions.filter(({ path }) => path.startsWith('objective.')).flatMap(({ keys }) => [...keys.keys()]);

const sources = ['objective', 'loss', 'tokens', 'entropy', 'off_policy', 'weights'];

/** Finds the engine's items that serde reads settings into, with their bodies. */
function serdeItems(): { readonly tagged: boolean; readonly body: string }[] {
  const texts = sources.map((source) => read(`crates/engine/src/train/${source}.rs`));
  const source = texts.join('\n').replaceAll(/^\s*\/\/.*$/gm, '');
  const items = source.matchAll(
    /(#\[serde\([^\n]*deny_unknown_fields\)\]\n)pub (?:struct|enum) (\w+) \{\n([\s\S]*?)\n\}/g,
  );
  const all = [...items].map(([, attribute = '', name, body = '']) => ({
    tagged: attribute.includes('tag'),
    name,
    body,
  }));
  // EntropyState is the state of a run, not a setting.
  return all.filter(({ name }) => name !== 'EntropyState');
}

const camelCase = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const kebabCase = (name: string): string => name.replaceAll(/(?<!^)([A-Z])/g, '-$1').toLowerCase();

test('the engine reads every key of the schema, and no other', () => {
  const fields = serdeItems().flatMap(({ body }) => {
    const read = body.replaceAll(/#\[serde\(skip\)\]\s*(pub )?\w+:.*/g, '');
    return [...read.matchAll(/\b([a-z_0-9]+): [\w<]+/g)].map(([, field = '']) => camelCase(field));
  });
  expect(sorted(fields)).toEqual(schemaKeys);
});

test('the engine reads every kind of the schema, and supervised training beside them', () => {
  const kinds = serdeItems()
    .filter(({ tagged }) => tagged)
    .flatMap(({ body }) => [...body.matchAll(/^ {4}([A-Z]\w*)/gm)].map(([, variant = '']) => kebabCase(variant)));
  expect(sorted(kinds)).toEqual(sorted([...schemaKinds, 'supervised']));
});

test('docs/objectives.md explains every key and kind', () => {
  const spans = [...read('docs/objectives.md').matchAll(/`([^`]+)`/g)].flatMap(
    ([, span = '']) => span.match(/[\w-]+/g) ?? [],
  );
  const known = new Set(spans);
  expect([...schemaKeys, ...schemaKinds].filter((word) => !known.has(word))).toEqual([]);
});

test('the first column of the table of losses holds keys of the schema alone', () => {
  const [, section = ''] = read('docs/objectives.md').split(/^## A token's loss$/m);
  const [table = ''] = section.split(/^##/m);
  const cells = [...table.matchAll(/^\| (`[^|]+|… `[^|]+) \|/gm)].map(([, cell = '']) => cell);
  const keys = cells.flatMap((cell) => [...cell.matchAll(/`([\w.]+)/g)].map(([, key = '']) => lastWord(key)));
  expect(keys.length).toBeGreaterThan(20);
  expect(keys.filter((key) => !schemaKeys.includes(key))).toEqual([]);
});
