/** A task for the fixture models, whose vocabulary is w0 to w91: answer with words of even numbers, later ones of odd. */
import { type History, type Intent, lastIterate } from '../../../src/history.js';
import type { Task, TaskFamily, Verdict } from '../../../src/task/task.js';

interface WordsData {
  readonly word: number;
}

const tasks: readonly Task<WordsData>[] = Array.from({ length: 12 }, (_, at) => ({
  id: `words-${at}`,
  data: { word: at },
}));

function prompt({ data }: Task<WordsData>, history: History, intent: Intent): string {
  const said = history.turns.map((_, turn) => `${lastIterate(history, turn)?.text} w91`);
  const wish = { attempt: 'w80', improve: 'w81', diverge: 'w82' }[intent];
  return ['<bos>', `w${data.word}`, ...said, wish].join(' ');
}

function judge(_: Task<WordsData>, history: History, answer: string, intent: Intent): Verdict {
  const turn = history.turns.length - (intent === 'attempt' ? 0 : 1);
  const words = answer.split(' ').filter((word) => /^w\d+$/.test(word));
  const right = words.filter((word) => Number(word.slice(1)) % 2 === turn % 2).length;
  return { quality: words.length === 0 ? 0 : right / words.length, wellFormed: true, feedback: `w${right}` };
}

export const words = (turns: number): TaskFamily => ({
  name: 'words',
  turns,
  tasks: () => tasks,
  prompt: prompt as TaskFamily['prompt'],
  judge: judge as TaskFamily['judge'],
});
