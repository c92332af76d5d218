import { describe, expect, test } from 'vitest';
import type { Evaluation } from '../../src/evaluation/evaluation.js';
import { methodNames } from '../../src/method/methods.js';
import { formatGrid, gridWidth } from '../../src/report/grid.js';
import { iterationTable } from '../../src/report/iteration-table.js';
import { tableIterations } from '../../src/report/summary.js';
import { comparisonTable } from '../../src/report/table.js';
import { displayWidth } from '../../src/report/text.js';
import { coloured, evaluationOf, plain, rowOf } from './support.js';

const esc = String.fromCharCode(27);
const bold = (text: string) => coloured.bold(text);

describe('grid', () => {
  const columns = [{ head: 'name', align: 'left' }, { head: 'n' }] as const;

  test('aligns words left and numbers right, and removes control sequences', () => {
    const rows = [
      [`${esc}[2Ja`, '1'],
      ['漢字', '10'],
    ];
    expect(formatGrid(columns, rows, plain)).toEqual(['name   n', 'a      1', '漢字  10']);
  });

  test('gridWidth equals the width of a line, with or without colours', () => {
    const rows = [
      [
        { text: 'abcdef', tone: 'bold' },
        { text: '1', tone: 'dim' },
      ],
    ] as const;
    const lines = formatGrid(columns, rows, coloured);
    expect(lines.map(displayWidth)).toEqual([9, 9]);
    expect(gridWidth(columns, rows)).toBe(9);
  });
});

describe('comparison', () => {
  const rows = [
    rowOf('exit', 1, [0.05, 0.2, 0.3, 0.4]),
    rowOf('exit', 2, [0.07, 0.24, 0.3, 0.5]),
    rowOf('grpo', 1, [0.06, 0.1, 0.12, 0.2]),
    rowOf('grpo', 2, [0.06, 0.12, 0.12, 0.1]),
    rowOf('base', null, [0.01, 0.05, 0.08, 0.1]),
  ];

  test('sorts rows in the paper’s order and aligns mean ± sample standard deviation', () => {
    expect(comparisonTable(rows, { colours: plain, width: 120 })).toBe(
      [
        'solved %        k=0         k=1         k=2         k=3           ΔK       fixed     broken  unread       s',
        'base      1.0         5.0         8.0        10.0         +9.0         9.0        0.0             –   –',
        'grpo      6.0 ± 0.0  11.0 ± 1.4  12.0 ± 0.0  15.0 ± 7.1   +9.0 ± 7.1  10.0 ± 5.7  1.0 ± 1.4       –  52 ± 1',
        'exit      6.0 ± 1.4  22.0 ± 2.8  30.0 ± 0.0  45.0 ± 7.1  +39.0 ± 5.7  39.0 ± 5.7  0.0 ± 0.0       –  52 ± 1',
        'fixed, broken: per 100 chains over all k; unread: % of rewrites; s: training',
        '',
      ].join('\n'),
    );
  });

  test('of five methods at six iterations fits 80 columns', () => {
    const solved = [0.05, 0.2, 0.3, 0.3, 0.35, 0.3, 0.35, 0.3, 0.4, 0.3, 0.35, 0.3, 0.35, 0.3, 0.35, 0.3, 0.5];
    const all = methodNames.flatMap((method) => [1, 2].map((seed) => rowOf(method, seed, solved)));
    const measured = all.map((row) => ({ ...row, evaluation: { ...row.evaluation, unreadableRewrites: 0.0123 } }));
    const table = comparisonTable(measured, { colours: plain, width: 80 });
    for (const line of table.split('\n')) expect(displayWidth(line), line).toBeLessThanOrEqual(80);
    expect(table).toContain('1.2');
  });

  test('puts the spreads on separate lines on a narrow terminal', () => {
    const lines = comparisonTable(rows, { colours: plain, width: 72 }).split('\n');
    expect(lines.map(displayWidth).every((width) => width <= 76)).toBe(true);
    expect(lines.findIndex((line) => line.includes('±1.4'))).toBeGreaterThan(0);
  });

  test('sets the best mean in bold, and every mean that reads the same', () => {
    const table = comparisonTable(rows, { colours: coloured, width: 72 });
    expect(table).toContain(bold('45.0'));
    expect(table.split(bold(' 6.0')).length).toBe(3);
    expect(table).not.toContain(bold('15.0'));
  });

  test('shows no ± for a single seed, and a dash for a missing k', () => {
    const table = comparisonTable([rowOf('grpo', 1, [0.1, 0.2, 0.3]), rowOf('exit', 1, [0.1, 0.2])], {
      colours: plain,
    });
    expect(table).not.toContain('±');
    expect(table.split('\n')[2]).toMatch(/^exit +10\.0 +20\.0 +– /);
  });
});

describe('one evaluation', () => {
  const lines = (evaluation: Evaluation) => iterationTable(evaluation, { colours: plain }).split('\n');

  test('has a line per iteration, with the answers fixed and broken, and their sums', () => {
    expect(lines(evaluationOf([0.1, 0.3, 0.25]))).toEqual([
      '  k  quality  solved %  over chains  fixed  broken  unreadable %',
      '  0    0.550      10.0                                         –',
      '  1    0.650      30.0                20.0     0.0             –',
      '  2    0.625      25.0                 0.0     5.0             –',
      'sum                                   20.0     5.0',
      '',
      'ΔK +15.0 points solved, +0.075 quality',
      'unreadable answers were not counted: the answer before each stands',
      '100 tasks × 2 draws in 1.5 s',
      '',
    ]);
  });

  const full: Evaluation = {
    ...evaluationOf([0.1, 0.3]),
    ...{ unreadable: [0, 0.04], unreadableRewrites: 0.04, unreadableRule: 'count' },
    standardErrors: {
      quality: { tasks: [0.02, 0.03], chains: [0.01, 0.02] },
      solved: { tasks: [0.011, 0.022], chains: [0.01, 0.015] },
      deltaQuality: { tasks: 0.025 },
      deltaSolved: { tasks: 0.032, chains: 0.02 },
    },
    tasksNeeded: { models: 1234, gain: 517 },
    failures: { count: 3, first: 'the verifier\nfell asleep' },
  };

  test('shows standard errors, unreadable answers, the tasks a difference needs, and what is left out', () => {
    expect(lines(full)).toEqual([
      '   k        quality    solved %  over chains  fixed  broken  unreadable %',
      '   0  0.550 ± 0.020  10.0 ± 1.1        ± 1.0                          0.0',
      '   1  0.650 ± 0.030  30.0 ± 2.2        ± 1.5   20.0     0.0           4.0',
      ' sum                                           20.0     0.0',
      'mean                                                                  4.0',
      '',
      'ΔK +20.0 ± 3.2 points solved, +0.100 ± 0.025 quality',
      'an unreadable answer (malformed or cut off) counts as quality 0; 4.0 % of the rewrites are',
      '± is one standard error over tasks, each with all its draws',
      'a difference of 5 points needs 1,234 tasks between two models (unpaired), 517 for ΔK (paired): power 80 %, 5 % two-sided',
      '3 of 200 chains left out: an answer could not be generated or verified (first: the verifier fell asleep)',
      '100 tasks × 2 draws in 1.5 s',
      '',
    ]);
  });

  test('of chosen k says what the sums include', () => {
    const note = 'fixed and broken at k count the step from k − 1; their sums all steps';
    expect(lines({ ...full, k: [0, 4] })).toContain(note);
    expect(lines(full)).not.toContain(note);
  });

  test('names the rule that keeps the last readable answer', () => {
    expect(lines({ ...full, unreadableRule: 'keep' })).toContain(
      'an unreadable answer (malformed or cut off) counts as the last readable one; 4.0 % of the rewrites are',
    );
  });
});

describe('the iterations of a table', () => {
  const evaluationAt = (k: readonly number[]): Evaluation => ({ ...evaluationOf(k.map(() => 0.5)), k });

  test('are powers of two of all, and every one of a choice', () => {
    expect(tableIterations([evaluationAt([0, 1, 2, 3, 4, 5, 6])])).toEqual([0, 1, 2, 4, 6]);
    expect(tableIterations([evaluationAt([0, 3, 6])])).toEqual([0, 3, 6]);
  });
});
