/** A task for the fixture models, whose vocabulary is w0 to w91: answer with words of even numbers, then of odd ones. */

import { parseConfig, type RunConfig } from '../../../src/config/parse.js';
import { type History, type Intent, lastIterate } from '../../../src/history.js';
import { loadPolicy, trainedChoice } from '../../../src/run/assemble.js';
import { openRun } from '../../../src/run/run.js';
import { type TrainResult, train } from '../../../src/run/train.js';
import type { Task, TaskFamily, Verdict } from '../../../src/task/task.js';
import { modelFolder } from '../../golden/support.js';

interface WordsData {
  readonly word: number;
}

const tasks: readonly Task<WordsData>[] = Array.from({ length: 12 }, (_, at) => ({
  id: `words-${at}`,
  data: { word: at },
}));

function prompt({ data }: Task<WordsData>, history: History, intent: Intent): string {
  const answers = history.turns.map((_, turn) => `${lastIterate(history, turn)?.text} w91`);
  const wish = { attempt: 'w80', improve: 'w81', diverge: 'w82' }[intent];
  return ['<bos>', `w${data.word}`, ...answers, wish].join(' ');
}

function verify(_: Task<WordsData>, history: History, answer: string, intent: Intent): Verdict {
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
  verify: verify as TaskFamily['verify'],
});

export interface WordsRun {
  readonly path: string;
  readonly updates: number;
  readonly checkpoint: Record<string, unknown>;
  readonly turns?: number;
  readonly resume?: boolean;
  readonly changes?: Record<string, unknown>;
  readonly warn?: (message: string) => void;
}

function configOf({ updates, checkpoint, changes }: WordsRun): RunConfig {
  return parseConfig({
    task: 'words',
    model: modelFolder('llama-tied'),
    method: 'exit',
    updates,
    startsPerBatch: 2,
    groupSize: 3,
    sampling: { maxNewTokens: 3 },
    optimizer: { learningRate: 3e-3, warmupUpdates: 2, schedule: 'cosine', weightDecay: 0.01 },
    buffer: { capacity: 10, minimumFill: 2 },
    diversity: { ngram: { dimension: 64 } },
    reference: { blendEvery: 7, alpha: 0.5 },
    device: 'cpu',
    threads: 1,
    checkpoint,
    traces: 'all',
    ...changes,
  });
}

/** Trains a fixture model on the task with a new policy, family and run. */
export async function trainWords(wanted: WordsRun): Promise<TrainResult> {
  const { path, turns = 1, resume = false, warn } = wanted;
  const config = configOf(wanted);
  const family = words(turns);
  const run = await openRun({ config, family, path, resume, ...(warn && { warn }) });
  const policy = await loadPolicy(run.modelFolder, trainedChoice(config, run));
  try {
    return await train({ config, policy, family, run });
  } finally {
    await policy.close();
    await run.close();
  }
}
