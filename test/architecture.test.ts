/** Checks the levels of the folders, and the paths that pages and comments name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * A file imports from lower levels and from its own module only. A module is a file of `src` or the folder of that name;
 * of two names that fit, the longer one counts.
 */
const levels: readonly (readonly string[])[] = [
  /*  0 */ [
    'src/errors',
    'src/rng',
    'src/stats',
    'src/history',
    'src/message',
    'src/nearest',
    'src/exact-json',
    'src/nesting',
    'src/ragged',
    'src/safetensors',
    'src/shown',
  ],
  /*  1 */ ['src/abort', 'src/arguments', 'src/initial-weights', 'src/libtorch', 'src/read-messages', 'src/task'],
  /*  2 */ ['src/hub', 'src/native', 'src/prompt', 'src/reward', 'src/shipped-models', 'src/task/check'],
  /*  3 */ ['src/chat', 'src/data'],
  /*  4 */ ['src/policy'],
  /*  5 */ ['src/embedder'],
  /*  6 */ ['src/config'],
  /*  7 */ ['src/method', 'src/recipes'],
  /*  8 */ ['src/evaluation', 'src/config/load-config'],
  /*  9 */ ['src/report', 'src/config/index'],
  /* 10 */ ['src/run'],
  /* 11 */ ['src/index', 'src/checkpoints'],
  /* 12 */ ['src/cli'],
];

/** Modules that a concrete task family may import, beside its own folder. */
const familyImports = ['src/task/task', ...(levels[0] ?? [])];

const filesUnder = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => posix.join(folder, file));

/** Lists the relative imports of a file, types included, as paths from the root without extension. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  const relative = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
  return relative.map((name) => posix.join(posix.dirname(file), name).replace(/\.js$/, ''));
}

const imports = new Map(filesUnder('src').map((file) => [file.replace(/\.ts$/, ''), importsOf(file)]));

const isIn = (file: string, module: string): boolean => file === module || file.startsWith(`${module}/`);

function moduleOf(file: string): string | undefined {
  const fitting = levels.flat().filter((module) => isIn(file, module));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

const levelOf = (module: string | undefined): number =>
  levels.findIndex((modules) => modules.some((one) => one === module));

describe('the source files', () => {
  test('all belong to a level', () => {
    expect(imports.size).toBeGreaterThan(40);
    expect([...imports.keys()].filter((file) => moduleOf(file) === undefined)).toEqual([]);
  });

  test('import only from lower levels and their own folder', () => {
    const upward = [...imports].flatMap(([file, targets]) => {
      const module = moduleOf(file);
      const wrong = targets.filter(
        (target) => moduleOf(target) !== module && !(levelOf(moduleOf(target)) < levelOf(module)),
      );
      return wrong.map(
        (target) => `${file} (level ${levelOf(module)}) → ${target} (level ${levelOf(moduleOf(target))})`,
      );
    });
    expect(upward).toEqual([]);
  });

  test('a concrete task family imports only the task interface and level 0', () => {
    const strangers = [...imports].flatMap(([file, targets]) => {
      const folder = /^src\/task\/[^/]+(?=\/)/.exec(file)?.[0];
      const wrong = targets.filter((target) => folder && !isIn(target, folder) && !familyImports.includes(target));
      return wrong.map((target) => `${file} → ${target}`);
    });
    expect(strangers).toEqual([]);
  });

  test('form no import circle', () => {
    expect([...imports.keys()].flatMap((file) => cycleFrom(file) ?? [])).toEqual([]);
  });

  test('have names of their own, but for entries and commands', () => {
    const names = new Map<string, string[]>();
    for (const file of imports.keys()) {
      const name = posix.basename(file);
      // An entry is known by its folder, a command by its name.
      if (name === 'index' || posix.dirname(file) === 'src/cli') continue;
      names.set(name, [...(names.get(name) ?? []), file]);
    }
    expect([...names.values()].filter((files) => files.length > 1)).toEqual([]);
  });

  test('ARCHITECTURE.md shows the same levels', () => {
    const page = join(root, 'ARCHITECTURE.md');
    if (!existsSync(page)) return;
    const rows = readFileSync(page, 'utf8').matchAll(/^\| (\d+) \| (.+) \|$/gm);
    const shown = [...rows].map(([, level, modules = '']) => {
      const names = [...modules.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replace(/\.ts$|\/$/g, ''));
      return [Number(level), names.sort()];
    });
    expect(shown).toEqual(levels.map((modules, level) => [level, [...modules].sort()]));
  });
});

/** Returns the files on a path of imports from `start` back to itself; undefined when there is none. */
function cycleFrom(start: string): string[] | undefined {
  const seen = new Set<string>();
  const open: string[][] = [[start]];
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    for (const target of imports.get(way.at(-1) as string) ?? []) {
      if (target === start) return [...way, start];
      if (seen.has(target)) continue;
      seen.add(target);
      open.push([...way, target]);
    }
  }
  return undefined;
}

const notes = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'AGENTS.md', 'CHANGELOG.md'],
  ...['models/tiny/README.md', 'models/cafe/README.md'],
  ...notes.map((file) => `docs/${file}`),
];

/** Folders that a path in a page may be relative to, beside the page's own. */
const bases = ['.', 'crates/engine/src', 'crates'];

const folders =
  /(?<![\w./<-])(?:src|crates|test|docs|recipes|scripts|bench|models|examples)\/[\w./-]*\w\/?(?![\w*<{…-])/g;

/** Lists the paths that a page names: link targets, words that begin with a folder of the repository, and source files in backticks. */
function pathsNamedIn(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].map(([, target = '']) => target);
  const sources = /`([\w-]+(?:\/[\w.-]+)+\.(?:ts|mjs|rs|py|md|json))`/g;
  const words = [...text.matchAll(folders)].map(([path]) => path);
  return [...new Set([...links, ...words, ...[...text.matchAll(sources)].map(([, path = '']) => path)])];
}

const missingFrom = (file: string, paths: readonly string[]): string[] =>
  paths.filter((path) => ![dirname(file), ...bases].some((base) => existsSync(join(root, base, path))));

describe('the pages for people', () => {
  test.each(pages)('every path that %s names exists', (page) => {
    expect(missingFrom(page, pathsNamedIn(page))).toEqual([]);
  });
});

const sources = ['src', 'crates', 'scripts', 'bench', 'examples', 'test', '.ci'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ts|mjs|rs|py|sh)$/.test(file) && !/(?:^|\/)(?:node_modules|target|\.venv)\//.test(file))
    .map((file) => posix.join(folder, file)),
);

/** Lists the pages and sources that the comments of a file name; not folders, which a described program may create. */
function pathsInComments(file: string): string[] {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  const comments = lines.filter((line) => /^\s*(?:\/\/|\/?\*|#)/.test(line)).join('\n');
  const named = [...comments.matchAll(folders)]
    .map(([path]) => path)
    .filter((path) => /\.(?:ts|mjs|rs|py|md)$/.test(path));
  return [...named, ...[...comments.matchAll(/(?<![\w./-])[\w-]+\.md\b/g)].map(([page]) => page)];
}

describe('the comments of the sources', () => {
  test('name more than ten paths', () => {
    expect(sources.flatMap(pathsInComments).length).toBeGreaterThan(10);
  });

  test('name only files that exist', () => {
    expect(
      sources.flatMap((file) => missingFrom(file, pathsInComments(file)).map((path) => `${file}: ${path}`)),
    ).toEqual([]);
  });
});
