/**
 * Code breaker: find a hidden row of five colours. Two marked opening guesses narrow it down without settling it,
 * so information limits a first attempt, and the marks on the previous answer supply the rest.
 */
import { InvalidRequestError, TaskError } from '../../errors.js';
import type { History, Intent } from '../../history.js';
import { nearest } from '../../nearest.js';
import type { TaskFamily, Verdict } from '../task.js';
import { markedText, rowQuality } from './marks.js';
import { type CodeBreakerData, type CodeBreakerTask, drawTasks, splits } from './puzzle.js';
import { promptText } from './puzzle-prompt.js';
import { answerText, parseAnswer } from './words.js';

export interface CodeBreakerOptions {
  /** Seed of the split `fresh`, 0 by default; `train` and `test` have fixed seeds. */
  readonly freshSeed?: number;
}

function refuse(key: string, reason: string): never {
  const message = key === '' ? `the argument ${reason}` : `\`${key}\`: ${reason}`;
  throw new InvalidRequestError('INVALID_REQUEST', `codeBreaker: ${message}`, { key, reason });
}

/** Checks the options by hand, because a family imports only the lowest level. */
function requireOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) refuse('', `must be an object, not ${String(options)}`);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const isNear = nearest(key, ['freshSeed']) !== undefined;
    if (key !== 'freshSeed') refuse(key, `unknown option; ${isNear ? 'did you mean' : 'known is'} \`freshSeed\``);
    if (!Number.isFinite(value)) refuse(key, `must be a finite number, not ${String(value)}`);
  }
}

/** Returns the marked row of the latest iterate, which is its feedback; undefined when the answer was malformed. */
const previousRow = (history: History): string | undefined => history.turns.at(-1)?.iterates.at(-1)?.feedback;

/** An attempt never shows a previous answer, whatever the history holds. */
const prompt = (task: CodeBreakerTask, history: History, intent: Intent): string =>
  promptText(task.data, intent, intent === 'attempt' ? undefined : previousRow(history));

/** Quality is the fraction of slots that equal the code; the feedback is the answer with its marks. */
function verify(task: CodeBreakerTask, _history: History, answer: string): Verdict {
  const row = parseAnswer(answer);
  if (row === undefined) return { quality: 0, wellFormed: false };
  const { code } = task.data;
  return { quality: rowQuality(code, row), wellFormed: true, feedback: markedText(code, row) };
}

const openings = ({ data }: CodeBreakerTask): { text: string; marks: string }[] =>
  data.openings.map((row) => ({ text: answerText(row), marks: markedText(data.code, row) }));

function drawSplit(split: string, freshSeed: number): CodeBreakerTask[] {
  switch (split) {
    case 'train':
    case 'test':
      return drawTasks(split, splits[split].size, splits[split].seed);
    case 'fresh':
      return drawTasks(`fresh-${freshSeed}`, splits.fresh.size, freshSeed);
    default:
      throw new TaskError(`code-breaker has no split "${split}": use train, test or fresh`);
  }
}

/** The family of code breaker; its prompts are always texts. */
export interface CodeBreaker extends TaskFamily<CodeBreakerData> {
  prompt(task: CodeBreakerTask, history: History, intent: Intent): string;
}

/**
 * Creates the task family of code breaker: find a hidden row of five colours out of six. Splits: `train` (20,000 tasks),
 * `test` (600) and `fresh` (600, drawn from `freshSeed`); each is drawn on first use and kept. The quality of an answer
 * is the fraction of its slots that equal the code; the feedback is the answer with its marks.
 *
 * `tasks(split)` throws a TaskError for any other split.
 * @throws InvalidRequestError for an unknown option.
 *
 * @example
 * import { codeBreaker } from 'exit-rl';
 * import { emptyHistory } from 'exit-rl/method';
 *
 * const family = codeBreaker();
 * const [task] = family.tasks('test');
 * if (task) console.log(family.prompt(task, emptyHistory, 'attempt')); // <bos> solve … answer
 */
export function codeBreaker(options: CodeBreakerOptions = {}): CodeBreaker {
  requireOptions(options);
  const { freshSeed = 0 } = options;
  const drawn = new Map<string, readonly CodeBreakerTask[]>();
  const readSplit = (split: string): readonly CodeBreakerTask[] => {
    const tasks = drawn.get(split) ?? drawSplit(split, freshSeed);
    drawn.set(split, tasks);
    return tasks;
  };
  const shape = { turns: 1, repeatable: true, addSpecialTokens: false };
  return { name: 'code-breaker', ...shape, tasks: readSplit, prompt, verify, openings };
}
