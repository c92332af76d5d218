/** A small multi-turn task: guess a digit on each of three rungs; the feedback gives the direction. */
import type { History, Intent } from '../../src/history.js';
import { promptFromTemplates } from '../../src/prompt.js';
import type { Task, TaskFamily, Verdict } from '../../src/task/task.js';

export interface LadderData {
  readonly digits: readonly number[];
}

export const ladderTasks: readonly Task<LadderData>[] = Array.from({ length: 20 }, (_, i) => ({
  id: `ladder-${i}`,
  data: { digits: [i % 10, (i * 3) % 10, (i * 7 + 1) % 10] },
}));

/** Returns the turn that an answer with this intent belongs to. */
const answeredTurn = (history: History, intent: Intent): number =>
  history.turns.length - (intent === 'attempt' ? 0 : 1);

function verify({ data }: Task<LadderData>, history: History, answer: string, intent: Intent): Verdict {
  if (!/^\d$/.test(answer)) return { quality: 0, wellFormed: false };
  const gap = Number(answer) - (data.digits[answeredTurn(history, intent)] as number);
  const feedback = gap === 0 ? 'right' : gap < 0 ? 'higher' : 'lower';
  return { quality: 1 - Math.abs(gap) / 9, wellFormed: true, feedback };
}

export const ladder: TaskFamily<LadderData> = {
  name: 'ladder',
  turns: 3,
  tasks: () => ladderTasks,
  prompt: (_, history, intent) => promptFromTemplates({ question: 'Name the next digit.', history, intent }),
  verify,
};

/** The same task with one turn. */
export const oneRung: TaskFamily<LadderData> = { ...ladder, name: 'one-rung', turns: 1 };
