/** Checks the wording of sources: a doc comment states who does what. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folders that the rules cover. */
const covered = ['src', 'crates', 'test', 'bench', 'scripts', 'examples'];

const sources = ['.ts', '.mts', '.mjs', '.js', '.cjs', '.rs', '.py'];

function listSources(path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .map((file) => posix.join(path, file))
    .filter((file) => sources.includes(extname(file)) && !/(^|\/)(node_modules|target|corpus|\.venv)\//.test(file));
}

/** A doc comment of TypeScript or Rust, or a docstring of Python, whose first word is "What". */
const beginsWithWhat = /^\s*(?:\/\*\*|\/\/\/|\/\/!|""")\s*(?:\n\s*\*\s*)?What\b(?!\?)/m;

/** "Going before" may mean precedence or order: write "overrides", "takes precedence over" or "precedes". */
const ambiguous = /\b(?:goes|go|went) before\b/;

const files = covered.flatMap(listSources);

/** Returns the first matching line of each file. */
function findMatches(pattern: RegExp): string[] {
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const match = pattern.exec(text);
    return match ? [`${file}:${text.slice(0, match.index).split('\n').length}`] : [];
  });
}

test('there are files to check', () => {
  expect(files.length).toBeGreaterThan(100);
});

test('no doc comment begins with "What"', () => {
  expect(findMatches(beginsWithWhat)).toEqual([]);
});

test('every source words precedence as "overrides" or "precedes"', () => {
  expect(findMatches(ambiguous)).toEqual([]);
});
