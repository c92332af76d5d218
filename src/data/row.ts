/** Converts a row of a data file: the prompt, and all other columns for rewards and verifiers. */
import { plainNumbers } from '../exact-json.js';
import type { Message, Prompt, ToolCall } from '../message.js';
import { isTooDeep } from '../nesting.js';
import { isRecord } from './jsonl.js';
import type { Convert } from './sink.js';

/** A row of a data file: its prompt, and its other columns for rewards and verifiers. */
export interface DataRow {
  readonly prompt: Prompt;
  /** All columns except the prompt's, with the file's values. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The columns to read, and the form of the prompt. */
export interface RowSettings {
  readonly promptColumn: string;
  /** Columns to keep besides the prompt's; undefined keeps all. */
  readonly columns?: readonly string[] | undefined;
  /** True turns a text into a conversation of one user message, after `systemPrompt` if set. */
  readonly chat: boolean;
  readonly systemPrompt?: string | undefined;
}

type AddProblem = (message: string, hint?: string) => void;

const roles = ['system', 'user', 'assistant', 'tool'] as const;

/** Parses `{name, arguments}`, or the same under `function` as servers write it; undefined for anything else. */
function parseToolCall(value: unknown): ToolCall | undefined {
  const call = isRecord(value) && isRecord(value.function) ? value.function : value;
  if (!isRecord(call) || typeof call.name !== 'string') return undefined;
  return isRecord(call.arguments) ? { name: call.name, arguments: call.arguments } : undefined;
}

/** Parses a message; returns a description of the problem where it is invalid. */
function parseMessage(value: unknown): Message | string {
  if (!isRecord(value)) return 'is not an object with role and content';
  const role = roles.find((one) => one === value.role);
  if (role === undefined) return `has the role ${JSON.stringify(value.role)}; the roles are ${roles.join(', ')}`;
  const calls = (value.tool_calls ?? value.toolCalls ?? undefined) as unknown;
  const toolCalls = Array.isArray(calls) ? calls.map(parseToolCall) : [];
  if ((calls !== undefined && !Array.isArray(calls)) || toolCalls.includes(undefined)) {
    return 'has tool_calls that are not a list of objects with name and arguments';
  }
  const content = value.content ?? (toolCalls.length > 0 ? '' : undefined);
  if (typeof content !== 'string') return 'has a content that is not a text';
  const { name } = value;
  return {
    role,
    content,
    ...(toolCalls.length > 0 && { toolCalls: toolCalls as ToolCall[] }),
    ...(typeof name === 'string' && { name }),
  };
}

function parseConversation(list: readonly unknown[], addProblem: AddProblem): readonly Message[] | undefined {
  const messages = list.map(parseMessage);
  const wrong = messages.flatMap((message, at) =>
    typeof message === 'string' ? [`message ${at + 1} ${message}`] : [],
  );
  for (const message of wrong) addProblem(message);
  if (wrong.length > 0) return undefined;
  const last = (messages as readonly Message[]).at(-1);
  if (last?.role === 'user' || last?.role === 'tool') return messages as readonly Message[];
  const problem = last ? `the conversation ends with the role ${last.role}` : 'the conversation is empty';
  addProblem(problem, 'end it with a user message');
  return undefined;
}

function parsePrompt(
  value: unknown,
  { promptColumn, chat, systemPrompt }: RowSettings,
  addProblem: AddProblem,
): Prompt | undefined {
  const system: readonly Message[] = systemPrompt === undefined ? [] : [{ role: 'system', content: systemPrompt }];
  if (typeof value === 'string') {
    if (value === '') addProblem(`\`${promptColumn}\` is empty`);
    return chat && value !== '' ? [...system, { role: 'user', content: value }] : value;
  }
  if (!Array.isArray(value)) {
    addProblem(`\`${promptColumn}\` is neither a text nor a list of messages`);
    return undefined;
  }
  const messages = parseConversation(value, addProblem);
  return messages && (messages[0]?.role === 'system' ? messages : [...system, ...messages]);
}

function describeMissing(column: string, names: readonly string[]): [string, string] {
  const shown = names.slice(0, 8).map((name) => `\`${name.length > 60 ? `${name.slice(0, 60)}…` : name}\``);
  const hint = column === 'prompt' ? 'name the column with data.promptColumn' : 'see data.promptColumn, data.columns';
  return [`has no column \`${column}\`; it has ${shown.join(', ') || 'none'}`, hint];
}

/** Creates the conversion for these settings. It rejects containers nested deeper than `depth`, as later code recurses. */
export function rowConverter(settings: RowSettings, depth: number): Convert<DataRow> {
  const { promptColumn, columns: kept } = settings;
  return (row, addProblem) => {
    const names = Object.keys(row);
    const wanted = [promptColumn, ...(kept ?? [])];
    const absent = wanted.filter((column) => !Object.hasOwn(row, column));
    for (const column of absent) addProblem(...describeMissing(column, names));
    if (absent.length > 0) return undefined;
    if (isTooDeep(row, depth)) {
      addProblem(`containers are nested more than ${depth} deep`);
      return undefined;
    }
    const prompt = parsePrompt(row[promptColumn], settings, addProblem);
    if (prompt === undefined || prompt === '') return undefined;
    const others = names.filter((name) => name !== promptColumn && (kept?.includes(name) ?? true));
    return { prompt, columns: Object.fromEntries(others.map((name) => [name, plainNumbers(row[name])])) };
  };
}
