/** The rollouts of an update as lists, one entry per completion: the shape in which TRL calls reward functions. */
import { plainNumbers } from '../exact-json.js';
import type { History, Intent } from '../history.js';
import { type Message, type Prompt, promptMessages } from '../message.js';
import type { Task } from '../task/task.js';

/** The rollouts of an update as lists of equal length, one entry per completion, in the shape of TRL's reward functions. */
export interface RewardBatch {
  /** The prompts that the policy answered: texts, or conversations. */
  readonly prompts: readonly Prompt[];
  /** The completion of a text prompt as text; that of a conversation as a list with one assistant message. */
  readonly completions: readonly (string | readonly Message[])[];
  /** The completions as texts, whatever the form of the prompt. */
  readonly texts: readonly string[];
  readonly completionIds: readonly (readonly number[])[];
  readonly tasks: readonly Task[];
  /** The history before each answer; empty for attempts. */
  readonly histories: readonly History[];
  readonly intents: readonly Intent[];
  /** The verifier's qualities in [0, 1]; 0 where the reward functions measure quality. */
  readonly qualities: readonly number[];
  /** Every column of the data as a list. Each is also a property of the batch, unless its name is one of those above. */
  readonly columns: Readonly<Record<string, readonly unknown[]>>;
  readonly [column: string]: unknown;
}

/** The fields of an answered start that a batch holds. */
interface BatchMember {
  readonly task: Task;
  readonly intent: Intent;
  readonly prompt: Prompt;
  readonly before: History;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly quality: number;
}

/** Returns the task's data as columns; none where the data is not a record. */
function readColumns({ data }: Task): Readonly<Record<string, unknown>> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return {};
  return data as Readonly<Record<string, unknown>>;
}

/** Turns rows into one list per column, without the prompt; `null` fills the place of a task that lacks the column. */
function transpose(rows: readonly Readonly<Record<string, unknown>>[]): Record<string, readonly unknown[]> {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== 'prompt');
  return Object.fromEntries(
    names.map((name) => [name, rows.map((row) => (Object.hasOwn(row, name) ? (row[name] ?? null) : null))]),
  );
}

/** Gathers answered starts into lists, one entry per completion. */
export function rewardBatch(members: readonly BatchMember[]): RewardBatch {
  const columns = transpose(members.map(({ task }) => readColumns(task)));
  return {
    ...columns,
    // Calls of tools in a prompt keep the text of their numbers, which no reward function knows.
    prompts: members.map(({ prompt }) => plainNumbers(promptMessages(prompt) ?? prompt) as Prompt),
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
