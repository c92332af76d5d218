/** Holds the wording of comments: a doc comment states who does what. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Files and folders that the rules cover. */
const covered = [
  'src/method',
  'src/run',
  'src/evaluation',
  'src/embedder',
  'src/recipes',
  'src/abort.ts',
  'src/stats.ts',
  'src/shipped-models.ts',
  'src/checkpoints.ts',
  'src/ragged.ts',
  'src/nearest.ts',
  'src/arguments.ts',
  'src/report',
  'src/cli',
  'src/data',
  'src/reward',
  'src/task',
  'src/libtorch.ts',
  'src/native.ts',
  'src/safetensors.ts',
  'src/initial-weights.ts',
  'src/rng.ts',
  'src/history.ts',
  'src/nesting.ts',
  ...['model', 'kernels', 'embed', 'tokenizer', 'io', 'simd'].map((name) => `crates/engine/src/${name}`),
  'test/method',
  'test/run',
  'test/evaluation',
  'test/golden',
  'test/bench',
  'test/package',
  'test/examples',
  'test/report',
  'test/cli',
  'test/data',
  'test/reward',
  'test/task',
  'test/fuzz',
  'test/hostile',
  'test/model',
  'test/hub',
  'test/support',
  'bench',
  'scripts',
  'examples',
];

/** Files that still break a rule, because another change moves them. */
const exempt: ReadonlySet<string> = new Set([
  'src/cli/demo/notes.ts',
  'src/cli/evaluation-metrics.ts',
  'src/cli/periodic-evaluation.ts',
  'src/cli/policy.ts',
  'src/cli/prompts.ts',
  'src/cli/run-parts.ts',
  'src/cli/tasks.ts',
]);

const sources = ['.ts', '.mts', '.mjs', '.js', '.cjs', '.rs', '.py'];

function listSources(path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .map((file) => posix.join(path, file))
    .filter((file) => sources.includes(extname(file)) && !/(^|\/)(node_modules|target|corpus)\//.test(file));
}

/** A doc comment of TypeScript or Rust, or a docstring of Python, whose first word is "What". */
const beginsWithWhat = /^\s*(?:\/\*\*|\/\/\/|\/\/!|""")\s*(?:\n\s*\*\s*)?What\b(?!\?)/m;

/** "goes before" is ambiguous: say "overrides", "takes precedence over" or "precedes". */
const ambiguous = /\b(?:goes|go|went) before\b/;

const files = covered.flatMap(listSources).filter((file) => !exempt.has(file));

/** The first line of each file that matches. */
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

test('no comment says "goes before"', () => {
  expect(findMatches(ambiguous)).toEqual([]);
});
