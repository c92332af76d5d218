/** The rows of a data file as tasks of one turn: the prompt as it stands, and rewrites of the previous answer. */
import { type History, type Intent, lastIterate } from '../history.js';
import type { Message, Prompt } from '../message.js';
import { type PromptTemplates, promptFromTemplates } from '../prompt.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';
import type { DataSet } from './load.js';
import type { DataRow } from './row.js';

/** A task's data: the row, with its prompt under that name. */
export type RowData = { readonly prompt: Prompt } & Readonly<Record<string, unknown>>;

/** What a verifier is told of an answer: the row's columns by name, and these. */
export interface Verifiable {
  readonly prompt: Prompt;
  readonly text: string;
  readonly [column: string]: unknown;
}

/** Quality in [0, 1], alone or with what is said back at the next iteration. */
export type Verification = number | Verdict | { readonly quality: number; readonly feedback?: string };
export type Verifier = (answer: Verifiable) => Verification | Promise<Verification>;

export interface PromptsOptions {
  readonly data: DataSet;
  /** `messages`: as the assistant's turn, its tokens as they were generated. `text`: quoted in one user message. */
  readonly previousAnswer: 'messages' | 'text';
  readonly templates?: { readonly [Name in keyof PromptTemplates]?: string | undefined };
  /** Measures quality; without it the reward functions do. */
  readonly verifier?: Verifier;
}

/** What is asked of a rewrite when the previous answer stands before it as a message. */
const requests: Pick<PromptTemplates, 'improve' | 'diverge'> = {
  improve: '{feedback}Find what is wrong or weak in your answer and write a better one. Keep what is right.',
  diverge: '{feedback}Write another answer that takes a different approach and is at least as good.',
};
const feedbackBefore = 'Feedback on your answer:\n{feedback}\n\n';

function tasksOf(split: string, rows: readonly DataRow[]): readonly Task<RowData>[] {
  return rows.map(({ prompt, columns }, at) =>
    Object.freeze({ id: `${split}-${at + 1}`, data: { ...columns, prompt } }),
  );
}

/** The conversation, the previous answer as its assistant turn, and the request to do better. */
function asMessages(prompt: readonly Message[], history: History, request: string): readonly Message[] {
  const previous = lastIterate(history);
  if (previous === undefined) return prompt;
  const { text, tokens } = previous;
  return [...prompt, { role: 'assistant', content: text, tokens }, { role: 'user', content: request }];
}

/** Without the names that are there and say nothing. */
function given(templates: NonNullable<PromptsOptions['templates']>): Partial<PromptTemplates> {
  return Object.fromEntries(Object.entries(templates).filter(([, text]) => text !== undefined));
}

function rewrite(prompt: Prompt, history: History, intent: Intent, options: PromptsOptions): Prompt {
  const { previousAnswer } = options;
  const templates = given(options.templates ?? {});
  const asText = (question: string): string => promptFromTemplates({ question, history, intent }, templates);
  if (typeof prompt === 'string') return asText(prompt);
  if (previousAnswer === 'messages') {
    const own = { ...requests, feedback: feedbackBefore, ...templates };
    return asMessages(prompt, history, promptFromTemplates({ question: '', history, intent }, own).trim());
  }
  const last = prompt.at(-1);
  if (last === undefined) return prompt;
  return [...prompt.slice(0, -1), { ...last, content: asText(last.content) }];
}

async function verdictOf(verifier: Verifier, { data }: Task<RowData>, text: string): Promise<Verdict> {
  const said = await verifier({ ...data, text });
  return { wellFormed: true, ...(typeof said === 'number' ? { quality: said } : said) };
}

/** A family over a data set. Without a verifier its quality is what the reward functions say, rescaled to [0, 1]. */
export function promptsFamily(options: PromptsOptions): TaskFamily<RowData> {
  const { data, verifier } = options;
  const splits: Readonly<Record<string, readonly Task<RowData>[]>> = {
    train: tasksOf('train', data.train),
    test: tasksOf('test', data.test),
  };
  return {
    name: 'prompts',
    turns: 1,
    measuredBy: verifier ? 'judge' : 'rewards',
    tasks: (split) => (Object.hasOwn(splits, split) ? (splits[split] ?? []) : []),
    prompt: ({ data: { prompt } }, history, intent) =>
      intent === 'attempt' ? prompt : rewrite(prompt, history, intent, options),
    judge: (task, _history, answer) => {
      if (answer.trim() === '') return { quality: 0, wellFormed: false };
      return verifier ? verdictOf(verifier, task, answer) : { quality: 0, wellFormed: true };
    },
  };
}
