/** Turns the rows of a data file into single-turn tasks: attempts use the row's prompt, rewrites add the previous answer. */

import { DataError } from '../errors.js';
import { parseExact } from '../exact-json.js';
import type { History, Intent } from '../history.js';
import { type Conversation, type Message, type Prompt, promptMessages } from '../message.js';
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
  return rows.map(({ prompt, columns }, at) => {
    const id = `${split}-${at + 1}`;
    const data = { ...columns, prompt };
    promptOf(data, id);
    return Object.freeze({ id, data });
  });
}

const isTool = (tool: unknown): tool is object => typeof tool === 'object' && tool !== null && !Array.isArray(tool);

function refuseTools(id: string, reason: string): never {
  const hint = 'give a list of tools as the API of OpenAI takes them, or its JSON as text';
  throw new DataError([{ file: `task ${id}`, message: `\`tools\` ${reason}`, hint }]);
}

/** Reads the tools of a row: a list, its JSON as text, or null. @throws DataError. */
function readTools(given: unknown, id: string): readonly object[] | undefined {
  if (given === undefined || given === null || given === '') return undefined;
  const tools = typeof given === 'string' ? parseTools(given, id) : given;
  if (Array.isArray(tools) && tools.every(isTool)) return tools;
  refuseTools(id, `must be a list of objects, not ${describeValue(tools)}`);
}

function parseTools(text: string, id: string): unknown {
  try {
    return parseExact(text);
  } catch (error) {
    refuseTools(id, `is not JSON: ${(error as Error).message}`);
  }
}

/** A row's prompt with its tools; a conversation that ends with the assistant is continued, as in TRL. */
function promptOf({ prompt, tools }: RowData, id: string): Prompt {
  const messages = promptMessages(prompt);
  if (messages === undefined) return prompt;
  const own = readTools(tools, id);
  const continued = messages.at(-1)?.role === 'assistant';
  if (own === undefined && !continued) return messages;
  return { messages, ...(own && { tools: own }), ...(continued && { continueFinalMessage: true }) };
}

/** Drops templates that are undefined. */
function dropUndefined(templates: NonNullable<PromptsOptions['templates']>): Partial<PromptTemplates> {
  return Object.fromEntries(Object.entries(templates).filter(([, text]) => text !== undefined));
}

/** The conversation with these messages; one that ends with another role begins a turn of the assistant. */
function withMessages(prompt: Exclude<Prompt, string>, messages: readonly Message[]): Prompt {
  if (!('messages' in prompt)) return messages;
  const { continueFinalMessage, ...others }: Conversation = prompt;
  const continued = continueFinalMessage && messages.at(-1)?.role === 'assistant';
  return { ...others, messages, ...(continued && { continueFinalMessage }) };
}

function rewrite(prompt: Prompt, history: History, intent: Intent, options: PromptsOptions): Prompt {
  const templates = dropUndefined(options.templates ?? {});
  const renderText = (question: string): string => promptFromTemplates({ question, history, intent }, templates);
  if (typeof prompt === 'string') return renderText(prompt);
  const messages = promptMessages(prompt) ?? [];
  if (options.previousAnswer === 'messages') {
    return withMessages(prompt, promptFromMessages({ messages, history, intent }, templates));
  }
  const asked = messages.findLastIndex(({ role }) => role !== 'assistant');
  const quoted = messages.map((message, at) =>
    at === asked ? { ...message, content: renderText(message.content ?? '') } : message,
  );
  return withMessages(prompt, quoted);
}

async function verify(verifier: Verifier, { data }: Task<RowData>, text: string): Promise<Verdict> {
  const verification = await verifier({ ...data, text });
  return { wellFormed: true, ...(typeof verification === 'number' ? { quality: verification } : verification) };
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
    prompt: ({ id, data }, history, intent) => {
      const prompt = promptOf(data, id);
      return intent === 'attempt' ? prompt : rewrite(prompt, history, intent, options);
    },
    verify: (task, _history, answer) => {
      if (answer.trim() === '') return { quality: 0, wellFormed: false };
      return verifier ? verify(verifier, task, answer) : { quality: 0, wellFormed: true };
    },
  };
}
