/** The effect of outcomes on the score, and the table of it in docs/curriculum.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { effects, type Outcome, paperScore } from '../../src/method/outcome.js';
import { scoreGroup } from '../../src/method/score.js';

type Kind = Outcome['kind'];

const member = (kind: Kind, quality: number) => ({ outcome: { kind } as Outcome, quality });
const members = (...list: readonly (readonly [Kind, number])[]) => list.map(([kind, quality]) => member(kind, quality));
const unknown = Number.NaN;

describe('scoreGroup', () => {
  test('is the variance of the known qualities', () => {
    expect(scoreGroup(members(['finished', 1], ['finished', 0]), paperScore)).toBe(0.25);
    expect(scoreGroup(members(['finished', 1], ['finished', 0], ['failed', unknown]), paperScore)).toBe(0.25);
  });

  test.each<[string, (readonly [Kind, number])[]]>([
    ['one known of eight', [['finished', 1], ...Array<[Kind, number]>(7).fill(['failed', unknown])]],
    [
      'one of two',
      [
        ['finished', 1],
        ['unscored', unknown],
      ],
    ],
    [
      'three of seven',
      [...Array<[Kind, number]>(3).fill(['finished', 1]), ...Array<[Kind, number]>(4).fill(['unscored', unknown])],
    ],
    [
      'none',
      [
        ['unscored', unknown],
        ['unscored', unknown],
      ],
    ],
    ['a group of one', [['finished', 1]]],
  ])('is unknown with %s', (_, list) => {
    expect(scoreGroup(members(...list), paperScore)).toBeNaN();
  });

  test('is known with exactly half of the group', () => {
    expect(
      scoreGroup(members(['finished', 1], ['finished', 0], ['failed', unknown], ['unscored', unknown]), paperScore),
    ).toBe(0.25);
  });

  test('counts overlong and unreadable answers, or leaves them out', () => {
    const group = members(['finished', 1], ['finished', 1], ['overlong', 0], ['malformed', 0]);
    expect(scoreGroup(group, paperScore)).toBe(0.25);
    expect(scoreGroup(group, { overlong: 'exclude', unreadable: 'include' })).toBeCloseTo(2 / 9);
    expect(scoreGroup(group, { overlong: 'include', unreadable: 'exclude' })).toBeCloseTo(2 / 9);
    expect(scoreGroup(group, { overlong: 'exclude', unreadable: 'exclude' })).toBe(0);
    const mostlyCutOff = members(['finished', 1], ['finished', 0], ...Array<[Kind, number]>(3).fill(['overlong', 0]));
    expect(scoreGroup(mostlyCutOff, { overlong: 'exclude', unreadable: 'include' })).toBeNaN();
  });

  test('never counts an unknown quality as 0: members without one change nothing while half of the group is known', () => {
    const quality = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(quality, { minLength: 2, maxLength: 8 }), fc.nat({ max: 8 }), (qualities, extra) => {
        const known = qualities.map((one) => member('finished', one));
        const lost = Array.from({ length: extra }, (_, i) => member(i % 2 ? 'failed' : 'unscored', unknown));
        const score = scoreGroup([...known, ...lost], paperScore);
        if (extra > known.length) expect(score).toBeNaN();
        else expect(score).toBe(scoreGroup(known, paperScore));
      }),
    );
  });
});

describe('the table of docs/curriculum.md', () => {
  const page = readFileSync(join(fileURLToPath(new URL('../..', import.meta.url)), 'docs/curriculum.md'), 'utf8');
  const cells = (kind: string): string[] => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${kind}\``)) ?? '';
    return row.split('|').map((cell) => cell.trim());
  };

  test.each(Object.entries(effects))('has the effects of `%s`', (kind, { score, baseline, expands }) => {
    const [, , , inScore = '', inBaseline = '', expanded = ''] = cells(kind);
    expect(inScore).toContain(score === 'overlong' || score === 'unreadable' ? `\`score.${score}\`` : score);
    expect(inBaseline).toContain(baseline);
    expect(expanded).toContain(expands);
  });
});
