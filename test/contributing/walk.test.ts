/** The table in ARCHITECTURE.md that leads from `train()` to the loss of a token: its files, functions and calls are real. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Step {
  readonly file: string;
  /** Each calls the next; the last may be defined in another file. */
  readonly chains: readonly (readonly string[])[];
}

function readSteps(): Step[] {
  const [, section = ''] = read('ARCHITECTURE.md').split('## The two walks');
  const rows = section.matchAll(/^\| `([^`]+\.(?:ts|rs))` \| ([^|]+) \|/gm);
  return [...rows].map(([, file = '', cell = '']) => ({
    file,
    chains: cell.split(';').map((chain) => [...chain.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)),
  }));
}

/** The names that a function calls, in the order in which the calls end; several functions of one name count as one. */
type Calls = ReadonlyMap<string, readonly string[]>;

function callsOf(file: string): Calls {
  return file.endsWith('.rs') ? callsOfRust(read(file)) : callsOfTypeScript(file);
}

function callsOfTypeScript(file: string): Calls {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2022, true);
  const calls = new Map<string, string[]>();
  const visit = (node: ts.Node): void => {
    const isFunction = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node);
    const isArrow = ts.isVariableDeclaration(node) && node.initializer && ts.isArrowFunction(node.initializer);
    const name = isFunction || isArrow ? node.name?.getText() : undefined;
    if (name !== undefined) calls.set(name, [...(calls.get(name) ?? []), ...calledIn(node)]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return calls;
}

function calledIn(node: ts.Node): string[] {
  const found: { readonly name: string; readonly end: number }[] = [];
  const visit = (inner: ts.Node): void => {
    if (ts.isCallExpression(inner)) {
      const { expression } = inner;
      const name = ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();
      found.push({ name, end: inner.getEnd() });
    }
    ts.forEachChild(inner, visit);
  };
  visit(node);
  return found.sort((a, b) => a.end - b.end).map(({ name }) => name);
}

/** A function ends at the brace that closes the one it began with; comments hold no braces that matter here. */
function callsOfRust(text: string): Calls {
  const code = text.replaceAll(/\/\/.*$/gm, '');
  const calls = new Map<string, string[]>();
  for (const { 1: name = '', index } of code.matchAll(/\bfn (\w+)/g)) {
    const body = bracedFrom(code, code.indexOf('{', index));
    const called = [...body.matchAll(/\b(\w+)\(/g)].map(([, callee = '']) => callee);
    calls.set(name, [...(calls.get(name) ?? []), ...called]);
  }
  return calls;
}

function bracedFrom(code: string, start: number): string {
  let depth = 0;
  for (let at = start; at < code.length; at++) {
    if (code[at] === '{') depth += 1;
    if (code[at] === '}') depth -= 1;
    if (depth === 0) return code.slice(start, at);
  }
  return code.slice(start);
}

const steps = readSteps();
const calls = new Map(steps.map(({ file }) => [file, existsSync(join(root, file)) ? callsOf(file) : new Map()]));
const defines = (file: string, name: string): boolean => calls.get(file)?.has(name) === true;
const heads = (chains: Step['chains']): string[] => [...new Set(chains.map(([head = '']) => head))];
const ends = ({ chains }: Step): string[] => chains.map((chain) => chain.at(-1) ?? '');

describe('the walk from train() to the loss of a token', () => {
  test('begins at train, ends at the loss, and takes at most twelve files', () => {
    expect(steps[0]?.file).toBe('src/run/train.ts');
    expect(steps[0]?.chains[0]?.[0]).toBe('train');
    expect(steps.at(-1)?.file).toBe('crates/engine/src/train/loss.rs');
    expect(new Set(steps.map(({ file }) => file)).size).toBe(steps.length);
    expect(steps.length).toBeLessThanOrEqual(12);
  });

  test.each(steps)('$file has its functions, and each calls the next', ({ file, chains }) => {
    for (const chain of chains) {
      for (const [at, name] of chain.entries()) {
        const isEnd = at > 0 && at === chain.length - 1;
        if (!isEnd) expect(defines(file, name), `${name} in ${file}`).toBe(true);
        if (at > 0) expect(calls.get(file)?.get(chain[at - 1] ?? ''), `${chain[at - 1]} in ${file}`).toContain(name);
      }
    }
  });

  test.each(steps)('the chains of $file end in files of the table', ({ chains }) => {
    const lost = ends({ file: '', chains }).filter((name) => !steps.some(({ file }) => defines(file, name)));
    expect(lost).toEqual([]);
  });

  test.each(steps.slice(1))('a file above leads to each chain of $file', ({ file, chains }) => {
    const above = steps.slice(
      0,
      steps.findIndex((step) => step.file === file),
    );
    const own = chains.flatMap((chain) => chain.slice(1));
    const reached = [...above.flatMap(ends), ...own];
    expect(heads(chains).filter((head) => !reached.includes(head))).toEqual([]);
  });

  test('update makes its calls in the order of the table', () => {
    const verbs = steps[1]?.chains.filter(([head]) => head === 'update').map(([, verb = '']) => verb) ?? [];
    const made = calls.get('src/method/update.ts')?.get('update') ?? [];
    expect(verbs.length).toBeGreaterThan(3);
    expect(made.filter((name: string) => verbs.includes(name))).toEqual(verbs);
  });
});
