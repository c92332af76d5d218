/** Every class, method and function of the code block in docs/native-border.md is declared in binding.d.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Declared {
  /** Methods of each class, by the class's name. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  readonly functions: readonly string[];
}

function parseDeclarations(text: string): Declared {
  const bodies = text.matchAll(/^(?:export declare )?class (\w+) \{.*\n([\s\S]*?)^\}/gm);
  const methodsOf = (body: string): string[] =>
    [...body.matchAll(/^ {2}(?:static )?(\w+)\(/gm)].map(([, name = '']) => name);
  return {
    classes: new Map([...bodies].map(([, name = '', body = '']) => [name, methodsOf(body)])),
    functions: [...text.matchAll(/^(?:export declare )?function (\w+)\(/gm)].map(([, name = '']) => name),
  };
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const [, block = ''] = /^```ts fragment\n([\s\S]*?)^```/m.exec(read('docs/native-border.md')) ?? [];
const page = parseDeclarations(block);
const binding = parseDeclarations(read('binding.d.ts'));

describe('the code block of docs/native-border.md', () => {
  test('is found, with the methods of NativePolicy', () => {
    expect(page.classes.get('NativePolicy')?.length).toBeGreaterThan(10);
    expect(page.functions.length).toBeGreaterThan(5);
  });

  test.each([...page.classes])('lists only methods that binding.d.ts has: %s', (name, methods) => {
    expect(methods.filter((method) => !binding.classes.get(name)?.includes(method))).toEqual([]);
  });

  test('lists only functions that binding.d.ts has', () => {
    expect(page.functions.filter((name) => !binding.functions.includes(name))).toEqual([]);
  });
});
