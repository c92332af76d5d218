/** Turns the rows of a data file into single-turn tasks: attempts use the row's prompt, rewrites add the previous answer. */
import { TaskError } from '../errors.js';
import type { History, Intent } from '../history.js';
import type { Prompt } from '../message.js';
import { type PromptTemplates, promptFromMessages, promptFromTemplates } from '../prompt.js';
import { describeValue } from '../shown.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';
import type { DataSet } from './load-data.js';
import type { DataRow } from './row.js';

/** A task's data: the columns of its row, and the prompt as `prompt`. */
export type RowData = { readonly prompt: Prompt } & Readonly<Record<string, unknown>>;

/** The argument of a verifier: the row's columns by name, the prompt, and the answer as `text`. */
export interface Verifiable {
  readonly prompt: Prompt;
  readonly text: string;
  readonly [column: string]: unknown;
}

/** The result of a verifier: quality in [0, 1], alone or with the feedback that the next iteration's prompt shows. */
export type Verification = number | Verdict | { readonly quality: number; readonly feedback?: string };

/** Measures the quality of an answer; a throw or a rejection fails the rollout. */
export type Verifier = (answer: Verifiable) => Verification | Promise<Verification>;

/** The data set of a prompts family, the form of its rewrites, and its verifier. */
export interface PromptsOptions {
  readonly data: DataSet;
  /**
   * The form of the previous answer in a rewrite's prompt. `messages`: the assistant's turn, with the generated tokens as
   * they are. `text`: a quotation within one user message. Text prompts always take `text`.
   */
  readonly previousAnswer: 'messages' | 'text';
  readonly templates?: { readonly [Name in keyof PromptTemplates]?: string | undefined };
  /** Measures quality; by default the reward functions measure it. */
  readonly verifier?: Verifier;
}

function createTasks(split: string, rows: readonly DataRow[]): readonly Task<RowData>[] {
  return rows.map(({ prompt, columns }, at) =>
    Object.freeze({ id: `${split}-${at + 1}`, data: { ...columns, prompt } }),
  );
}

/** Drops templates that are undefined. */
function dropUndefined(templates: NonNullable<PromptsOptions['templates']>): Partial<PromptTemplates> {
  return Object.fromEntries(Object.entries(templates).filter(([, text]) => text !== undefined));
}

function rewrite(prompt: Prompt, history: History, intent: Intent, options: PromptsOptions): Prompt {
  const { previousAnswer } = options;
  const templates = dropUndefined(options.templates ?? {});
  const renderText = (question: string): string => promptFromTemplates({ question, history, intent }, templates);
  if (typeof prompt === 'string') return renderText(prompt);
  if (previousAnswer === 'messages') return promptFromMessages({ messages: prompt, history, intent }, templates);
  const last = prompt.at(-1);
  if (last === undefined) return prompt;
  return [...prompt.slice(0, -1), { ...last, content: renderText(last.content) }];
}

async function verify(verifier: Verifier, { data }: Task<RowData>, text: string): Promise<Verdict> {
  const verification: unknown = await verifier({ ...data, text });
  if (typeof verification === 'number') return { wellFormed: true, quality: verification };
  if (typeof verification === 'object' && verification !== null)
    return { wellFormed: true, ...(verification as Omit<Verdict, 'wellFormed'>) };
  const found = describeValue(verification);
  throw new TaskError(`the verifier returned ${found}; it must return a quality in [0, 1], or { quality, feedback }`);
}

/**
 * Creates a task family over a data set: one single-turn task per row, with the ids `train-1`, `train-2`, … and
 * `test-1`, …. The verifier measures quality; without one the sum of the reward functions, rescaled to [0, 1], is the
 * quality. An empty answer has quality 0 and is not well formed.
 *
 * @example
 * import { promptsFamily } from 'exit-rl/data';
 * import { emptyHistory } from 'exit-rl/method';
 *
 * const data = { train: [{ prompt: '2 + 3 = ?', columns: { answer: '5' } }], test: [] };
 * const verifier = ({ text, answer }: { text: string; answer?: unknown }): number => (text.trim() === answer ? 1 : 0);
 * const family = promptsFamily({ data, previousAnswer: 'text', verifier });
 * const [task] = family.tasks('train');
 * if (task) console.log(family.prompt(task, emptyHistory, 'attempt')); // 2 + 3 = ?
 */
export function promptsFamily(options: PromptsOptions): TaskFamily<RowData> {
  const { data, verifier } = options;
  const splits: Readonly<Record<string, readonly Task<RowData>[]>> = {
    train: createTasks('train', data.train),
    test: createTasks('test', data.test),
  };
  return {
    name: 'prompts',
    turns: 1,
    measuredBy: verifier ? 'verifier' : 'rewards',
    tasks: (split) => (Object.hasOwn(splits, split) ? (splits[split] ?? []) : []),
    prompt: ({ data: { prompt } }, history, intent) =>
      intent === 'attempt' ? prompt : rewrite(prompt, history, intent, options),
    verify: (task, _history, answer) => {
      if (answer.trim() === '') return { quality: 0, wellFormed: false };
      return verifier ? verify(verifier, task, answer) : { quality: 0, wellFormed: true };
    },
  };
}
