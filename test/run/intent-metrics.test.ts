import { describe, expect, test } from 'vitest';
import { emptyHistory, type History, type Intent, type Iterate } from '../../src/history.js';
import type { Group } from '../../src/method/group.js';
import { intentMetrics } from '../../src/run/intent-metrics.js';
import { ladderTasks } from '../support/ladder.js';

const [task] = ladderTasks;
const iterate = (text: string, quality: number) => ({ text, tokens: [1], quality });
const oneTurn = (...iterates: Iterate[]): History => ({ turns: [{ iterates }] });

/** A group whose members answer with these texts and qualities; NaN for a member without quality. */
function groupOf(
  intent: Intent,
  before: History,
  answers: readonly (readonly [string, number])[],
  failed = false,
): Group {
  const start = { task, history: before, intent };
  const rollouts = answers.map(([text, quality], member) => ({
    start,
    turns: [{}],
    history: oneTurn(...(before.turns[0]?.iterates ?? []), iterate(text, quality)),
    quality,
    outcome: { kind: failed && member === 0 ? 'failed' : 'finished' },
  }));
  return { start, rollouts } as unknown as Group;
}

const before = oneTurn(iterate('a', 0.2), iterate('b', 0.5));

describe('metrics by intent', () => {
  test('report quality and solved share, and for rewrites gain and repetitions', () => {
    const metrics = intentMetrics([
      groupOf('attempt', emptyHistory, [
        ['a', 1],
        ['b', 0.5],
      ]),
      groupOf('improve', before, [
        ['b', 0.5],
        ['a', 0.2],
        ['c', 1],
        ['b', 0.5],
      ]),
      groupOf('diverge', before, [['d', 0]]),
    ]);
    expect(metrics).toEqual({
      'quality/attempt': 0.75,
      'solved/attempt': 0.5,
      'quality/improve': expect.closeTo(0.55),
      'solved/improve': 0.25,
      'gain/improve': expect.closeTo(0.05),
      'repeated/improve': 0.5,
      'quality/diverge': 0,
      'solved/diverge': 0,
      'gain/diverge': -0.5,
      'repeated/diverge': 0,
    });
  });

  test('leave out members without quality, and groups that are not trained on', () => {
    expect(
      intentMetrics([
        groupOf('improve', before, [
          ['c', 1],
          ['b', Number.NaN],
        ]),
      ]),
    ).toMatchObject({ 'quality/improve': 1, 'repeated/improve': 0 });
    expect(intentMetrics([groupOf('improve', before, [['c', 1]], true)])).toEqual({});
  });

  test('compare the rewritten turn, not the ones that follow it', () => {
    const group = groupOf('improve', before, [['b', 0.5]]);
    const history = { turns: [...(group.rollouts[0]?.history.turns ?? []), ...oneTurn(iterate('z', 1)).turns] };
    const later = { ...group, rollouts: [{ ...group.rollouts[0], history, quality: 0.75 }] } as unknown as Group;
    expect(intentMetrics([later])).toEqual({
      'quality/improve': 0.75,
      'solved/improve': 0,
      'gain/improve': 0,
      'repeated/improve': 1,
    });
  });
});
