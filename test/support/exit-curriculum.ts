/** Creates curricula, histories and groups for tests of `exit`, by hand or with a scripted policy. */

import type { History } from '../../src/history.js';
import type { Curriculum } from '../../src/method/curriculum.js';
import { createExitCurriculum, type ExitCurriculumOptions, type ExitCurriculumState } from '../../src/method/exit.js';
import { type Group, rolloutGroup } from '../../src/method/group.js';
import type { Outcome } from '../../src/method/outcome.js';
import type { Rollout, Start } from '../../src/method/rollout.js';
import { createRng } from '../../src/rng.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { deepFreeze } from './arbitraries.js';
import { ladder, ladderTasks } from './ladder.js';
import { digitScript, type Script, scriptedPolicy } from './scripted-policy.js';

const defaults: ExitCurriculumOptions = {
  family: ladder,
  tasks: ladderTasks,
  capacity: 32,
  minimumFill: 4,
  priority: { kind: 'absolute', inverseTemperature: 20 },
  replayProbability: 0.5,
  divergeProbability: 0.2,
  expand: true,
};
export const create = (options: Partial<ExitCurriculumOptions> = {}): Curriculum =>
  createExitCurriculum({ ...defaults, ...options });
export const stateOf = (curriculum: Curriculum): ExitCurriculumState => curriculum.snapshot() as ExitCurriculumState;
export const storedIn = (curriculum: Curriculum) => stateOf(curriculum).buffer.slots;
export const keysIn = (curriculum: Curriculum): string[] => storedIn(curriculum).map(({ key }) => key);

export const task = ladderTasks[0] as Task;
export const iterate = (text: string) => ({ text, tokens: [text.charCodeAt(0)], quality: 0.5 });
/** Creates a history of one turn per argument, each character an iterate. */
export const makeHistory = (...turns: string[]): History => ({
  turns: turns.map((texts) => ({ iterates: [...texts].map(iterate) })),
});

export function rolloutOf(start: Start, history: History, kind: Outcome['kind'] = 'finished'): Rollout {
  const outcome: Outcome = kind === 'failed' ? { kind, boundary: 'task', detail: 'crashed' } : { kind };
  return { start, turns: [], history, quality: 0.5, outcome };
}

/** Creates a group by hand from its start, the histories of its members, and its score. */
export function groupOf(start: Start, rollouts: readonly Rollout[], score: number): Group {
  const numbers = new Float64Array(rollouts.length).fill(0.5);
  return { start, rollouts, rewards: numbers, qualities: numbers, score, columns: [] };
}

/** Runs whole updates with a scripted policy and returns the observed groups; any mutation of a history throws. */
export async function runUpdates(
  curriculum: Curriculum,
  updates: number,
  { family = ladder as TaskFamily, script = digitScript as Script, firstUpdate = 0, startsPerBatch = 4 } = {},
): Promise<Group[]> {
  const policy = scriptedPolicy(script);
  const sampling = { temperature: 1, maxNewTokens: 2 };
  const observed: Group[] = [];
  for (let update = firstUpdate; update < firstUpdate + updates; update++) {
    const rng = createRng(11).fork('update', update);
    const starts = curriculum.nextBatch(startsPerBatch, rng).map((start) => deepFreeze(start));
    const groups = await Promise.all(
      starts.map((start, i) =>
        rolloutGroup({ policy, family, start, size: 4, sampling, rng: rng.fork('rollout', i), reward: 'quality' }),
      ),
    );
    for (const { history } of groups.flatMap(({ rollouts }) => rollouts)) deepFreeze(history);
    curriculum.observe(groups, rng);
    observed.push(...groups);
  }
  return observed;
}
