/** Renders a run or a comparison as one self-contained report.html: no script, no external resource, all text escaped. */
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Fields, requireArgument, requireFields, text } from '../arguments.js';
import { RunFolderError } from '../errors.js';
import type { SolvedExample } from '../evaluation/evaluation.js';
import { comparisonSection, comparisonTitle, resultSentence } from './comparison-table.js';
import { configSection } from './configuration.js';
import { curveSections } from './curves.js';
import { failureText, ruleText } from './evaluation-notes.js';
import { evaluationSection } from './evaluation-section.js';
import { count, percent, signed, whole } from './format.js';
import { iterationSection } from './iterations.js';
import { orderMethods } from './method-order.js';
import type { Comparison } from './records.js';
import { type ComparisonData, type RunData, readReportFolder } from './run-data.js';
import { styleSheet } from './style.js';
import { at } from './summary.js';
import { escapeHtml, sentence } from './text.js';
import { exampleSection } from './tiles.js';

interface Fact {
  readonly name: string;
  readonly value: string;
}

interface Content {
  readonly eyebrow: string;
  readonly title: string;
  readonly result: string;
  readonly facts: readonly Fact[];
  /** Caveats that the reader needs to interpret the numbers. */
  readonly notes: readonly string[];
  /** Rendered HTML. */
  readonly sections: readonly string[];
}

// The page may fetch, run and frame nothing; only its style element and attributes apply.
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'none'; base-uri 'none'; form-action 'none'";

function factList(facts: readonly Fact[]): string {
  const items = facts.map(({ name, value }) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return `<dl class="facts">${items.join('')}</dl>`;
}

function noteList(notes: readonly string[]): string {
  if (notes.length === 0) return '';
  const items = notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('');
  return `<aside class="notes"><h2>Limits of this result</h2><ul>${items}</ul></aside>`;
}

function document({ eyebrow, title, result, facts, notes, sections }: Content): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title)}</title>
<style>${styleSheet}</style>
</head>
<body><main>
<header><p class="eyebrow">${escapeHtml(eyebrow)}</p><h1>${escapeHtml(title)}</h1>
<p class="result">${escapeHtml(result)}</p>
${factList(facts)}
${noteList(notes)}</header>
${sections.filter((section) => section !== '').join('\n')}
<footer>Written by exit-rl report from the files of this folder.</footer>
</main></body>
</html>
`;
}

/** Formats the finished and the configured updates: `312 of 1,200`. */
function formatProgress({ metrics, config }: RunData): string {
  const done = metrics.at(-1)?.get('update') ?? 0;
  return config.updates === undefined || done >= config.updates
    ? whole(done)
    : `${whole(done)} of ${whole(config.updates)}`;
}

const finished = ({ metrics, config }: RunData) => (metrics.at(-1)?.get('update') ?? 0) >= (config.updates ?? 0);

function runResult(run: RunData): string {
  const updates = `${formatProgress(run)} updates${finished(run) ? '' : ' so far'}`;
  const { evaluation } = run;
  if (evaluation === undefined) return `${updates}; not evaluated yet.`;
  const last = evaluation.k.at(-1) ?? 0;
  const shares = [0, last].map((k) => percent(at(evaluation, evaluation.solved, k)));
  const error = evaluation.standardErrors?.deltaSolved.tasks;
  const gain = `${signed(100 * evaluation.deltaSolved, 1)}${error === undefined ? '' : ` ± ${percent(error)}`}`;
  return `${updates}. Of ${count(evaluation.tasks, 'task')} the first attempt solves ${shares[0]} %, ${count(last, 'iteration')} of self-improvement ${shares[1]} % (${gain} points).`;
}

function runContent(run: RunData): Content {
  const { config, method, seed, evaluation } = run;
  const task = config.task ?? config.recipe ?? 'a run';
  const facts = Object.entries({
    method,
    seed: String(seed),
    recipe: config.recipe,
    model: config.model,
    updates: formatProgress(run),
  });
  const example = evaluation?.example;
  return {
    eyebrow: `exit-rl · run ${path.basename(path.resolve(run.folder))}`,
    title: `${task}, trained by ${method}`,
    result: runResult(run),
    facts: facts.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
    notes: [
      ...(finished(run) ? [] : ['This run is not finished: the page shows its updates so far.']),
      ...(evaluation === undefined
        ? []
        : ['One run: this page does not show how much the result varies with the seed.', ...failureText(evaluation)]),
    ],
    sections: [
      evaluation === undefined ? '' : evaluationSection(evaluation),
      evaluation === undefined ? '' : iterationSection([{ method, evaluation }]),
      example === undefined ? '' : exampleSection(example, `solved after ${method}, seed ${seed}`),
      curveSections([run]),
      configSection([run]),
    ],
  };
}

/** Notes what a table of several evaluations includes: the rule for unreadable answers, and the chains that failed. */
function evaluationNotes({ rows }: Comparison): string[] {
  const rules = new Set(rows.map(({ evaluation }) => ruleText(evaluation.unreadableRule)));
  const failures = rows.flatMap(({ method, seed, evaluation }) =>
    failureText(evaluation).map((text) => `${method}${seed === null ? '' : ` seed ${seed}`}: ${text}`),
  );
  return [...[...rules].map(sentence), ...failures];
}

/** Chooses the example to draw: that of the last method in the paper's order that has one. */
function chooseExample({ comparison }: ComparisonData): { example: SolvedExample; origin: string } | undefined {
  for (const method of orderMethods(comparison.rows.map((row) => row.method)).reverse()) {
    const row = comparison.rows.find((item) => item.method === method && item.evaluation.example !== undefined);
    const origin = method === 'base' ? 'by the base' : `after ${method}, seed ${row?.seed ?? 0}`;
    if (row?.evaluation.example) return { example: row.evaluation.example, origin };
  }
  return undefined;
}

function comparisonNotes({ comparison, runs, missing }: ComparisonData): string[] {
  const open = runs.filter((run) => !finished(run)).map(({ method, seed }) => `${method} seed ${seed}`);
  return [
    ...comparison.notes,
    ...evaluationNotes(comparison),
    ...(comparison.seeds.length === 1 && comparison.notes.length === 0
      ? ['One seed: differences between methods may be chance.']
      : []),
    ...(open.length === 0 ? [] : [`Not finished: ${open.join(', ')}.`]),
    ...(missing.length === 0 ? [] : [`Missing run folders, whose curves are omitted: ${missing.join(', ')}.`]),
  ];
}

function comparisonContent(data: ComparisonData): Content {
  const { task, recipe, seeds, rows } = data.comparison;
  const methods = orderMethods(rows.map((row) => row.method));
  const updates = [...new Set(rows.map((row) => row.updates).filter((value) => value > 0))];
  const evaluation = rows[0]?.evaluation;
  const chosen = chooseExample(data);
  const facts = [
    { name: 'task', value: task },
    ...(recipe === undefined ? [] : [{ name: 'recipe', value: recipe }]),
    { name: 'methods', value: methods.join(', ') },
    { name: seeds.length === 1 ? 'seed' : 'seeds', value: seeds.join(', ') },
    { name: 'updates a run', value: updates.map(whole).join(', ') },
    ...(evaluation
      ? [{ name: 'evaluation', value: `${count(evaluation.tasks, 'task')} × ${count(evaluation.draws, 'draw')}` }]
      : []),
  ];
  return {
    eyebrow: 'exit-rl · comparison',
    title: comparisonTitle(data.comparison),
    result: resultSentence(data.comparison),
    facts,
    notes: comparisonNotes(data),
    sections: [
      comparisonSection(data.comparison),
      iterationSection(rows),
      chosen === undefined ? '' : exampleSection(chosen.example, chosen.origin),
      curveSections(data.runs),
      configSection(data.runs),
    ],
  };
}

/** Renders the page of a run or a comparison as HTML. */
export function renderPage(data: RunData | ComparisonData): string {
  return document(data.kind === 'run' ? runContent(data) : comparisonContent(data));
}

/** Where `writeReport` writes the page. */
export interface ReportOptions {
  /** Path of the page; by default report.html in the folder. */
  readonly out?: string;
}

const reportFields: Fields<ReportOptions> = { out: text };

/**
 * Writes the page of a run folder or a comparison folder, finished or not, and returns its path.
 *
 * @throws RunFolderError that names file and line of missing or damaged content, or the path that cannot be written;
 * InvalidRequestError for a folder that is not a text, or an unknown option.
 * @example
 * import { shippedModel, trainRun, writeReport } from 'exit-rl';
 *
 * const small = { task: 'code-breaker', model: shippedModel('tiny'), method: 'grpo', updates: 1 } as const;
 * const { path } = await trainRun(small, { evaluate: false, report: false, warn: () => {} });
 * console.log(await writeReport(path)); // …/report.html
 */
export async function writeReport(folder: string, options: ReportOptions = {}): Promise<string> {
  requireArgument('writeReport', { folder }, text);
  requireFields<ReportOptions>('writeReport', options, reportFields);
  const { out = path.join(folder, 'report.html') } = options;
  const page = renderPage(await readReportFolder(folder));
  // Renaming is atomic: a reader never sees an incomplete page, even when it is rewritten during the run.
  const partial = `${out}.part`;
  try {
    await writeFile(partial, page);
    await rename(partial, out);
  } catch (error) {
    throw new RunFolderError(
      `${out}: cannot be written (${(error as Error).message})`,
      { file: out },
      { cause: error },
    );
  }
  return out;
}
