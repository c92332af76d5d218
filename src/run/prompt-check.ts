/** Checks before the first update that the prompts of the training tasks leave room for an answer in the model's context. */
import { PromptTooLongError } from '../errors.js';
import { emptyHistory } from '../history.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import { callPrompt, listTasks } from '../task/check.js';
import type { Task, TaskFamily } from '../task/task.js';

/** Bounds the time of the check, in milliseconds. */
const longestCheck = 5_000;

/** Tokens that a tokenizer adds to a text. */
const added = 16;

interface Checked {
  readonly task: Task;
  readonly tokens: number;
}

interface Checks {
  readonly checked: number;
  /** Prompts that fill the context. */
  readonly tooLong: readonly Checked[];
  /** Prompts after which an answer of `maxNewTokens` is cut. */
  readonly tight: readonly Checked[];
}

type Measuring = Pick<LocalPolicy, 'encodePrompt' | 'info'>;

/** Returns the length of a task's prompt in tokens, at most `enough` where that is certain; undefined where it has none. */
async function measure(policy: Measuring, family: TaskFamily, task: Task, enough: number): Promise<number | undefined> {
  try {
    const prompt = callPrompt(family, task, emptyHistory, 'attempt');
    // No tokenizer makes more tokens of a text than it has bytes.
    if (typeof prompt === 'string' && Buffer.byteLength(prompt) + added <= enough) return enough;
    return (await policy.encodePrompt(prompt)).length;
  } catch {
    // A prompt that cannot be built or rendered fails its rollouts, which says why.
    return undefined;
  }
}

/** Checks the tasks in an order that spreads over all of them, until the time is over. */
async function check(
  policy: Measuring,
  family: TaskFamily,
  maxNewTokens: number,
  tasks: readonly Task[],
): Promise<Checks> {
  const { contextLength } = policy.info();
  const began = performance.now();
  const tooLong: Checked[] = [];
  const tight: Checked[] = [];
  let checked = 0;
  for (const task of spread(tasks)) {
    const tokens = await measure(policy, family, task, contextLength - maxNewTokens);
    if (tokens !== undefined && tokens >= contextLength) tooLong.push({ task, tokens });
    else if (tokens !== undefined && tokens + maxNewTokens > contextLength) tight.push({ task, tokens });
    checked++;
    if (performance.now() - began > longestCheck) break;
  }
  return { checked, tooLong, tight };
}

/** Visits every 64th task, then those beside them, so that a check that stops early has seen all parts of the data. */
function* spread(tasks: readonly Task[]): Iterable<Task> {
  const step = 64;
  for (let first = 0; first < step; first++) {
    for (let at = first; at < tasks.length; at += step) yield tasks[at] as Task;
  }
}

const longestOf = (list: readonly Checked[]): Checked =>
  list.reduce((longest, one) => (one.tokens > longest.tokens ? one : longest));

/**
 * Warns of prompts that do not fit, with their number and the longest.
 * @throws PromptTooLongError when no prompt leaves room for an answer.
 */
export async function checkPrompts(
  policy: Measuring,
  family: TaskFamily,
  maxNewTokens: number,
  warn: (text: string) => void,
): Promise<void> {
  const tasks = listTasks(family, 'train');
  const { contextLength } = policy.info();
  const { checked, tooLong, tight } = await check(policy, family, maxNewTokens, tasks);
  const seen =
    checked === tasks.length ? `${checked} prompts` : `${checked} prompts that were checked (of ${tasks.length})`;
  if (tooLong.length > 0) {
    const { task, tokens } = longestOf(tooLong);
    const found = `task ${task.id} has ${tokens} tokens, and the context of the model ${contextLength}`;
    if (tooLong.length === checked) {
      const message = `none of the ${seen} leaves room for an answer: ${found}; shorten the prompts, or choose another model`;
      throw new PromptTooLongError('PROMPT_TOO_LONG', message, { taskId: task.id, tokens, contextLength });
    }
    warn(`${tooLong.length} of the ${seen} leave no room for an answer, and are not trained on: ${found}`);
  }
  if (tight.length > 0) {
    const { task, tokens } = longestOf(tight);
    warn(
      `${tight.length} of the ${seen} leave less than the ${maxNewTokens} tokens of sampling.maxNewTokens in the context of ` +
        `${contextLength}: answers are cut off there (task ${task.id} has ${tokens} tokens)`,
    );
  }
}
