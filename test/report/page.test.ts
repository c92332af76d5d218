import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SolvedExample } from '../../src/evaluation/evaluation.js';
import { renderPage, writeReport } from '../../src/report/page.js';
import { readReportFolder } from '../../src/report/run-data.js';
import { escapeHtml } from '../../src/report/text.js';
import { exampleSection } from '../../src/report/tiles.js';
import { copyOfFixture, fixture } from './support.js';

const esc = String.fromCharCode(27);
const hostile = `</title><script>alert(1)</script><img src=x onerror="alert(2)">${esc}[31m'"&`;

/** Changes a JSON file of a folder. */
async function edit(folder: string, name: string, change: (value: Record<string, never>) => unknown): Promise<void> {
  const file = path.join(folder, name);
  const value = JSON.parse(await readFile(file, 'utf8'));
  change(value);
  await writeFile(file, JSON.stringify(value));
}

/** Checks that every element is closed in order, which a stray `<` or quote from data would break. */
function unbalanced(page: string): string[] {
  const empty = new Set(['meta', 'path', 'rect', 'circle', '!doctype']);
  const open: string[] = [];
  for (const [, close, name] of page.matchAll(/<(\/?)([!a-z][a-z0-9]*)(?:\s+[a-z-]+(?:="[^"<>]*")?)*\s*\/?>/gi)) {
    if (empty.has((name ?? '').toLowerCase())) continue;
    if (close === '') open.push(name ?? '');
    else if (open.at(-1) === name) open.pop();
    else return [...open, `/${name}`];
  }
  return open;
}

describe('the page of a comparison', () => {
  let page = '';
  beforeAll(async () => {
    page = renderPage(await readReportFolder(fixture));
  });

  test('names the compared methods and the result per seed', () => {
    expect(page).toContain('<h1>code-breaker: exit against grpo and base</h1>');
    expect(page).toMatch(
      /Solved after 4 iterations: exit [\d.]+\u00a0%\u00a0±\u00a0[\d.]+, grpo .*, base [\d.]+\u00a0%\./,
    );
    expect(page).toMatch(/exit\u00a0−\u00a0grpo: \+[\d.]+ points \(seed by seed \+[\d.]+, \+[\d.]+\)/);
    expect(page).toContain('this is not a general ranking');
  });

  test('loads nothing: no script, no URL, a strict content policy', () => {
    expect(page).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'none'`,
    );
    expect(page).not.toMatch(/https?:|\/\/[a-z]|<script|<link|<iframe|<img|@import|url\(|\son[a-z]+=/i);
  });

  test('is well-formed, and no value is NaN, undefined or null', () => {
    expect(unbalanced(page)).toEqual([]);
    expect(page.replace(/<style>[\s\S]*?<\/style>/, '')).not.toMatch(/NaN|undefined|Infinity|\[object|>null</);
  });

  test('has a table with a header for each row and column', () => {
    const table = /<table class="comparison">[\s\S]*?<\/table>/.exec(page)?.[0] ?? '';
    const heads = [...table.matchAll(/<th scope="col">([^<]*)</g)].map((match) => match[1]);
    expect(heads).toEqual([
      'method',
      'k = 0',
      'k = 1',
      'k = 2',
      'k = 4',
      'ΔK',
      'fixed',
      'broken',
      'unreadable',
      'seconds',
    ]);
    const rows = [...table.matchAll(/<th scope="row">.*?<\/svg>([^<]*)<\/th>((?:<td>.*?<\/td>)*)/g)];
    expect(rows.map((row) => row[1])).toEqual(['base', 'grpo', 'exit']);
    for (const row of rows) expect(row[2]?.match(/<td>/g)?.length).toBe(9);
  });

  test('names the rule for unreadable answers, and a failure with its row', async () => {
    const folder = await copyOfFixture();
    await edit(folder, 'comparison.json', (value) => {
      const { rows } = value as unknown as { rows: { evaluation: object }[] };
      Object.assign(rows[1]?.evaluation ?? {}, { failures: { count: 3, first: 'no answer' } });
    });
    const notes =
      renderPage(await readReportFolder(folder))
        .split('<aside class="notes">')[1]
        ?.split('</aside>')[0] ?? '';
    expect(notes).toContain('<li>An unreadable answer (malformed or cut off) counts as quality 0.</li>');
    expect(notes).toMatch(/<li>grpo seed 1: 3 of 120 chains left out: an answer could not be generated/);
  });

  test('draws each metric that varies, with a text description', () => {
    const captions = [...page.matchAll(/<figcaption>([^<]*)/g)].map((match) => match[1]?.trim());
    for (const title of [
      'Solved',
      'Net corrections',
      'Fixed',
      'Broken',
      'Unreadable',
      'Reward',
      'Entropy',
      'Gradient norm',
      'Completion length',
      'Depth',
      'Buffer',
      'Distinct starts',
    ])
      expect(captions).toContain(title);
    expect(captions).not.toContain('KL');
    const figures = page.match(/<figure/g)?.length ?? 0;
    expect(page.match(/role="img" aria-label="[^"]+ from [^"]+ to /g)?.length).toBeGreaterThanOrEqual(figures);
  });

  test('a missing value is a gap in its line', () => {
    const entropy = page.split('<figcaption>Entropy')[1]?.split('</figure>')[0] ?? '';
    const line = /class="line look1" d="([^"]*)"/.exec(entropy)?.[1] ?? '';
    expect(line.match(/M/g)?.length).toBe(2);
    const reward = page.split('<figcaption>Reward')[1]?.split('</figure>')[0] ?? '';
    expect(/class="line look1" d="([^"]*)"/.exec(reward)?.[1]?.match(/M/g)?.length).toBe(1);
  });

  test('shows shared config values once and differing ones per run', async () => {
    const folder = await copyOfFixture();
    await edit(folder, 'exit-2/config.json', (value) => Object.assign(value, { updates: 30 }));
    const section = renderPage(await readReportFolder(folder)).split('<h2>Configuration</h2>')[1] ?? '';
    expect(section.match(/optimizer\.learningRate/g)?.length).toBe(1);
    const own = /<summary>exit, seed 2 <span>1 value<\/span><\/summary>.*?<\/details>/.exec(section)?.[0];
    expect(own).toContain('<th scope="row">updates</th><td>30</td>');
  });

  test('draws the evaluations during training, joined across the updates without one', async () => {
    const folder = path.join(await copyOfFixture(), 'exit-1');
    const line = (update: number) => {
      const evaluated = { 'eval/solved_0': 0.1, 'eval/solved_4': update / 50, 'eval/broken': 1 / update };
      return JSON.stringify({ update, reward: update, ...(update % 5 === 0 ? evaluated : {}) });
    };
    const lines = Array.from({ length: 20 }, (_, at) => `${line(at + 1)}\n`);
    await writeFile(path.join(folder, 'metrics.jsonl'), lines.join(''));
    const section = renderPage(await readReportFolder(folder)).split('<h2>Evaluations during training</h2>')[1] ?? '';
    const figure = section.split('<figcaption>Solved, k = 4')[1]?.split('</figure>')[0] ?? '';
    const drawn = /class="line look\d" d="([^"]*)"/.exec(figure)?.[1] ?? '';
    expect([drawn.match(/M/g)?.length, drawn.match(/[ML]/g)?.length]).toEqual([1, 4]);
    expect(section).toContain('<figcaption>Broken');
    // A constant carries no information, and this run measured nothing unreadable.
    expect(section).not.toContain('<figcaption>Solved, k = 0');
    expect(section).not.toContain('<figcaption>Unreadable <span>% of the rewrites');
  });

  test('a metric that repeats another is drawn once', async () => {
    const folder = path.join(await copyOfFixture(), 'exit-1');
    const captions = async () =>
      renderPage(await readReportFolder(folder)).match(/<figcaption>Quality <span>mean/g)?.length ?? 0;
    expect(await captions()).toBe(1);
    const file = path.join(folder, 'metrics.jsonl');
    const lines = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    await writeFile(file, lines.map((line) => `${JSON.stringify({ ...line, quality: line.reward })}\n`).join(''));
    expect(await captions()).toBe(0);
  });

  test('has both colour schemes and a print style', () => {
    for (const media of ['prefers-color-scheme:dark', 'print', 'max-width:560px'])
      expect(page).toContain(`@media (${media})`.replace('(print)', 'print'));
  });
});

describe('hostile text', () => {
  test('in configs, notes, names and answers is escaped', async () => {
    const folder = await copyOfFixture();
    await edit(folder, 'comparison.json', (value) => {
      const comparison = value as unknown as {
        task: string;
        notes: string[];
        rows: { method: string; evaluation: object }[];
      };
      comparison.task = hostile;
      comparison.notes.push(hostile);
      const steps = [{ k: 0, answer: hostile, feedback: hostile, quality: 0.5 }];
      const example = { taskId: hostile, openings: [{ text: hostile, marks: hostile }], steps };
      Object.assign(comparison.rows[1]?.evaluation ?? {}, { example, failures: { count: 3, first: hostile } });
      Object.assign(comparison.rows[2] ?? {}, { method: hostile });
    });
    await edit(folder, 'exit-1/config.json', (value) => Object.assign(value, { method: hostile, [hostile]: hostile }));
    const page = renderPage(await readReportFolder(folder));
    expect(page).not.toMatch(/<script|<img|alert\(2\)"/i);
    expect(page).not.toContain(esc);
    expect(page.split(escapeHtml(hostile)).length).toBeGreaterThan(8);
    expect(unbalanced(page)).toEqual([]);
  });
});

describe('the page of a run', () => {
  test('states the solved share, and that one run shows no spread', async () => {
    const page = renderPage(await readReportFolder(path.join(fixture, 'exit-1')));
    expect(page).toMatch(
      /20 updates\. Of 60 tasks the first attempt solves [\d.]+ %, 4 iterations of self-improvement [\d.]+ %/,
    );
    expect(page).toMatch(/self-improvement [\d.]+ % \(\+[\d.]+ ± [\d.]+ points\)/);
    expect(page).toContain('One run: this page does not show how much the result varies with the seed');
    expect(unbalanced(page)).toEqual([]);
  });

  const evaluationTable = (page: string) => {
    const section = page.split('<h2>Evaluation</h2>')[1]?.split('</section>')[0] ?? '';
    const rows = [...section.matchAll(/<th scope="row">([^<]*)<\/th>((?:<td>[^<]*<\/td>)*)/g)];
    return { section, rows: rows.map(([, head, cells = '']) => [head, cells.split('</td>').length - 1]) };
  };

  test('shows standard errors, the answers fixed, broken and unreadable, and what a difference needs', async () => {
    const { section, rows } = evaluationTable(renderPage(await readReportFolder(path.join(fixture, 'exit-1'))));
    const heads = ['solved %', '± over tasks', '± over chains', 'quality', '± over tasks', '± over chains'];
    const moves = ['fixed, per 100', 'broken, per 100', 'unreadable %'];
    // k = 0, 1, 2, 4, and the totals.
    expect(rows).toEqual([...heads, ...moves].map((head) => [head, 5]));
    expect(section).toContain('An unreadable answer (malformed or cut off) counts as quality 0');
    expect(section).toContain('A difference of 5 points needs 842 tasks between two models');
  });

  test('an evaluation of version 0.1 shows the sums of its lists, and that unreadable answers were not counted', async () => {
    const folder = path.join(await copyOfFixture(), 'exit-1');
    const old = path.join(import.meta.dirname, '../corpus/evaluation/version-0.1.json');
    await writeFile(path.join(folder, 'evaluation.json'), await readFile(old));
    const page = renderPage(await readReportFolder(folder));
    const { section, rows } = evaluationTable(page);
    expect(rows.map(([head]) => head)).toEqual(['solved %', 'quality', 'fixed, per 100', 'broken, per 100']);
    const shares: readonly number[] = JSON.parse(await readFile(old, 'utf8')).fixed;
    const total = (100 * shares.reduce((sum, value) => sum + value, 0)).toFixed(1);
    expect(section).toMatch(new RegExp(`fixed, per 100</th>.*<td>${total}</td></tr>`));
    expect(section).toContain('Unreadable answers were not counted: the answer before each stands.');
    expect(unbalanced(page)).toEqual([]);
  });

  test('the page of an unfinished run notes that it is unfinished', async () => {
    const folder = path.join(await copyOfFixture(), 'exit-1');
    await rm(path.join(folder, 'evaluation.json'));
    await edit(folder, 'config.json', (value) => Object.assign(value, { updates: 1200 }));
    const page = renderPage(await readReportFolder(folder));
    expect(page).toContain('20 of 1,200 updates so far; not evaluated yet.');
    expect(page).toContain('<figcaption>Reward');
    await rm(path.join(folder, 'metrics.jsonl'));
    const begun = renderPage(await readReportFolder(folder));
    expect(begun).toContain('0 of 1,200 updates so far');
    expect(begun).not.toContain('<figure');
    expect(unbalanced(begun)).toEqual([]);
  });

  test('a metric without any number does not fail the page', async () => {
    const folder = path.join(await copyOfFixture(), 'exit-1');
    const lines = [
      '{"update":1,"reward":null,"entropy":"much"}',
      '{"update":2,"reward":0.5,"kl":1e400}',
      '{"update":3}',
    ];
    await writeFile(path.join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n`);
    await edit(folder, 'evaluation.json', (value) =>
      Object.assign(value, { quality: [null, 0.1], fixed: [], deltaSolved: null }),
    );
    const page = renderPage(await readReportFolder(folder));
    expect(page.replace(/<style>[\s\S]*?<\/style>/, '')).not.toMatch(/NaN|Infinity|undefined/);
    expect(unbalanced(page)).toEqual([]);
  });
});

describe('writing', () => {
  test('writes a complete page into the folder, or to the given path', async () => {
    const folder = await copyOfFixture();
    expect(await writeReport(folder)).toBe(path.join(folder, 'report.html'));
    const out = path.join(folder, 'other.html');
    await writeReport(folder, { out });
    expect(await readFile(out, 'utf8')).toBe(await readFile(path.join(folder, 'report.html'), 'utf8'));
    await expect(stat(`${out}.part`)).rejects.toThrow();
  });

  test('an unwritable path is named', async () => {
    const out = path.join(await copyOfFixture(), 'no', 'such', 'page.html');
    await expect(writeReport(fixture, { out })).rejects.toThrow(`${out}: cannot be written`);
  });
});

describe('the solved task', () => {
  const draw = (example: Partial<SolvedExample>) =>
    exampleSection({ taskId: 't', openings: [], steps: [], ...example }, 'after exit');

  test('code breaker is drawn as tiles with marks, and described slot by slot', () => {
    const section = draw({
      openings: [{ text: 'a1 b4', marks: '=x' }],
      steps: [{ k: 0, answer: 'a1 b2', feedback: 'a1= b2~', quality: 0.5 }],
    });
    const spoken = [...section.matchAll(/aria-label="([^"]*)"/g)].map((match) => match[1]);
    expect(spoken).toEqual([
      'slot a colour 1 hit, slot b colour 4 absent',
      'slot a colour 1 hit, slot b colour 2 present',
    ]);
    expect(section.match(/class="tile c\d"/g)).toEqual([
      'class="tile c1"',
      'class="tile c4"',
      'class="tile c1"',
      'class="tile c2"',
    ]);
    expect(section).toContain('<td class="number">0.50</td>');
  });

  test('a malformed answer, or one of another task, is shown as text', () => {
    const section = draw({
      steps: [
        { k: 0, answer: 'a1 b2 and more', quality: 0 },
        { k: 1, answer: 'x = 3', feedback: 'line 1\nline 2', quality: 1 },
      ],
    });
    expect(section).not.toContain('class="tiles"');
    expect(section).toContain('<pre>x = 3</pre><pre class="feedback">line 1\nline 2</pre>');
  });
});
