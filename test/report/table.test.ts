import { describe, expect, test } from 'vitest';
import { formatGrid, gridWidth } from '../../src/report/grid.js';
import { comparisonTable, iterationTable } from '../../src/report/table.js';
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
        'solved %        k=0         k=1         k=2         k=3           ΔK      net/100  seconds',
        'base      1.0         5.0         8.0        10.0         +9.0         +9.0          –',
        'grpo      6.0 ± 0.0  11.0 ± 1.4  12.0 ± 0.0  15.0 ± 7.1   +9.0 ± 7.1   +9.0 ± 7.1   52 ± 1',
        'exit      6.0 ± 1.4  22.0 ± 2.8  30.0 ± 0.0  45.0 ± 7.1  +39.0 ± 5.7  +39.0 ± 5.7   52 ± 1',
        '',
      ].join('\n'),
    );
  });

  test('puts the spreads on separate lines on a narrow terminal', () => {
    const lines = comparisonTable(rows, { colours: plain, width: 64 }).split('\n');
    expect(lines.map(displayWidth).every((width) => width <= 64)).toBe(true);
    expect(lines.findIndex((line) => line.includes('±1.4'))).toBeGreaterThan(0);
  });

  test('sets the best mean in bold, and every mean that reads the same', () => {
    const table = comparisonTable(rows, { colours: coloured, width: 64 });
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
  test('has a line per iteration, with the answers fixed and broken', () => {
    const lines = iterationTable(evaluationOf([0.1, 0.3, 0.25]), { colours: plain }).split('\n');
    expect(lines[0]).toBe('k  quality  solved %  fixed  broken    net');
    expect(lines[1]).toBe('0    0.550      10.0');
    expect(lines[2]).toBe('1    0.650      30.0   20.0     0.0  +20.0');
    expect(lines[3]).toBe('2    0.625      25.0    0.0     5.0   −5.0');
    expect(lines.slice(5)).toEqual([
      'ΔK +15.0 points solved, +0.075 quality · net corrections +15.0 per 100',
      '100 tasks × 2 draws in 1.5 s',
      '',
    ]);
  });
});
