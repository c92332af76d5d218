/** Renders the resolved configs of runs as collapsed tables: shared values once, differing values per run. */

import { count } from './format.js';
import type { RunData } from './run-data.js';
import { escapeHtml } from './text.js';

/** Flattens a config: nested keys joined by dots, values as JSON. */
export function flatten(value: unknown, prefix = ''): [key: string, text: string][] {
  const nested = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!nested) return [[prefix, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')]];
  return Object.entries(value).flatMap(([key, item]) => flatten(item, prefix === '' ? key : `${prefix}.${key}`));
}

function folded(title: string, note: string, entries: readonly (readonly [string, string])[]): string {
  const rows = entries.map(
    ([key, text]) => `<tr><th scope="row">${escapeHtml(key)}</th><td>${escapeHtml(text)}</td></tr>`,
  );
  return `<details><summary>${escapeHtml(title)} <span>${escapeHtml(note)}</span></summary><table>${rows.join('')}</table></details>`;
}

// The title of a run's table contains these.
const titleKeys = ['method', 'seed'];

/** Renders one table of the values that all runs share, then one per run with the values that differ. */
export function configSection(runs: readonly RunData[]): string {
  const [first, ...others] = runs.map((run) => new Map(flatten(run.config)));
  if (first === undefined) return '';
  const shared = [...first].filter(([key, text]) => others.every((other) => other.get(key) === text));
  const sharedKeys = new Set(shared.map(([key]) => key));
  const differing = runs.map(({ method, seed, config }) => {
    const entries = flatten(config).filter(([key]) => !sharedKeys.has(key) && !titleKeys.includes(key));
    return entries.length === 0 ? '' : folded(`${method}, seed ${seed}`, count(entries.length, 'value'), entries);
  });
  const title = runs.length === 1 ? 'All values' : 'Values that all runs share';
  return `<section><h2>Configuration</h2><p class="lead">As resolved from recipe, file, environment and flags.</p>${folded(title, count(shared.length, 'value'), shared)}${differing.join('')}</section>`;
}
