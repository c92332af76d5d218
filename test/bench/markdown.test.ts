import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { markdownTable } from '../../bench/lib/markdown.js';
import { comparisonSchema } from '../../src/report/records.js';
import { row } from '../support/comparison-row.js';

const rows = [
  row('exit', 1, 0.05, 0.35, 0.5),
  row('exit', 2, 0.05, 0.45, 0.6),
  row('improve', 1, 0.06, 0.3, 0.4),
  row('grpo', 1, 0.04, 0.2, 0.3),
  row('base', null, 0.02, 0.18, 0.24),
].map((one, at) => ({ ...one, evaluation: { ...one.evaluation, brokenTotal: at / 100, unreadableRewrites: 0.016 } }));

test('has a line for each method in the paper’s order, the best of each k in bold', () => {
  expect(markdownTable(rows).split('\n')).toEqual([
    '| | k=0 | 4 | 16 | ΔK | fixed per 100 | broken per 100 | unreadable rewrites % |',
    '|---|---|---|---|---|---|---|---|',
    '| base | 2.0 | 18.0 | 24.0 | +22.0 | 22.0 | 4.0 | 1.6 |',
    '| GRPO | 4.0 | 20.0 | 30.0 | +26.0 | 26.0 | 3.0 | 1.6 |',
    '| improve | **6.0** | 30.0 | 40.0 | +34.0 | 34.0 | 2.0 | 1.6 |',
    '| ExIt | 5.0 ± 0.0 | **40.0 ± 7.1** | **55.0 ± 7.1** | **+50.0 ± 7.1** | 50.0 ± 7.1 | 0.5 ± 0.7 | 1.6 ± 0.0 |',
  ]);
});

test('shows a dash where unreadable answers were not counted, as in results of version 0.1', () => {
  const file = new URL('../../bench/results/code-breaker-5-seeds.json', import.meta.url);
  const comparison = comparisonSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  const base = markdownTable(comparison.rows).split('\n')[2];
  expect(base).toBe('| base | 1.5 | 5.2 | 9.5 | 17.6 | 22.0 | 24.3 | +22.8 | 143.0 | 120.2 | – |');
});
