/**
 * The code blocks of the pages. The words after a fence's language say what a block is:
 * none, a program; `no-run`, a program that only compiles here; `file=NAME`, a file that the later programs of the page
 * find in their working directory; `fragment`, no program.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DocstringExample } from '../support/docstring-examples.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface PageExample extends DocstringExample {
  /** By name, the files that stand above the block. */
  readonly files: Readonly<Record<string, string>>;
}

const block = /^```(\w+)(.*)\n([\s\S]*?)^```$/gm;

/** The TypeScript blocks of a page, fragments left out. A file is checked as a program is, and not run. */
export function examplesOfPage(page: string): readonly PageExample[] {
  const text = readFileSync(join(root, page), 'utf8');
  const files: Record<string, string> = {};
  return [...text.matchAll(block)].flatMap(({ 1: language, 2: words = '', 3: code = '', index }) => {
    const file = /\bfile=(\S+)/.exec(words)?.[1];
    if (file !== undefined) files[file] = code;
    if (language !== 'ts' || /\bfragment\b/.test(words)) return [];
    const place = `${page}:${text.slice(0, index).split('\n').length}`;
    return [{ place, code, runs: file === undefined && !/\bno-run\b/.test(words), files: { ...files } }];
  });
}

/** The TypeScript blocks of all pages. */
export function pageExamples(): readonly PageExample[] {
  const docs = readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md'));
  const pages = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', ...docs.map((file) => `docs/${file}`)];
  return pages.flatMap(examplesOfPage);
}
