/** The rollouts of an update as lists, one entry per completion: the shape in which TRL calls reward functions. */
import type { History, Intent } from '../history.js';
import type { Message, Prompt } from '../message.js';
import type { Task } from '../task/task.js';

export interface RewardBatch {
  /** What the policy saw: texts, or conversations. */
  readonly prompts: readonly Prompt[];
  /** Texts where the prompt is one; else the conversation that was added, one assistant message. */
  readonly completions: readonly (string | readonly Message[])[];
  /** The completions as texts, whatever the prompt. */
  readonly texts: readonly string[];
  readonly completionIds: readonly (readonly number[])[];
  readonly tasks: readonly Task[];
  /** What the answers started from; empty histories for attempts. */
  readonly histories: readonly History[];
  readonly intents: readonly Intent[];
  /** Qualities by the verifier, where there is one. */
  readonly qualities: readonly number[];
  /** Every column of the data, as a list; also under its own name, where the names above leave it free. */
  readonly columns: Readonly<Record<string, readonly unknown[]>>;
  readonly [column: string]: unknown;
}

/** What the batch is made of: an answered start. */
interface BatchMember {
  readonly task: Task;
  readonly intent: Intent;
  readonly prompt: Prompt;
  readonly before: History;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly quality: number;
}

/** The columns of a task: its data, where that is a record, but for the prompt. */
function columnsOf({ data }: Task): Readonly<Record<string, unknown>> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return {};
  return data as Readonly<Record<string, unknown>>;
}

/** A list per column; a task without the column has `null` there. */
function transpose(rows: readonly Readonly<Record<string, unknown>>[]): Record<string, readonly unknown[]> {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== 'prompt');
  return Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name] ?? null)]));
}

export function rewardBatch(members: readonly BatchMember[]): RewardBatch {
  const columns = transpose(members.map(({ task }) => columnsOf(task)));
  return {
    ...columns,
    prompts: members.map(({ prompt }) => prompt),
    completions: members.map(({ prompt, text }) =>
      typeof prompt === 'string' ? text : [{ role: 'assistant', content: text }],
    ),
    texts: members.map(({ text }) => text),
    completionIds: members.map(({ tokens }) => tokens),
    tasks: members.map(({ task }) => task),
    histories: members.map(({ before }) => before),
    intents: members.map(({ intent }) => intent),
    qualities: members.map(({ quality }) => quality),
    columns,
  };
}
