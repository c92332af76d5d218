/** A row of a data file as a task: its prompt, and every further column for rewards and verifiers. */
import type { Message, Prompt, ToolCall } from '../message.js';
import { isTooDeep } from '../nesting.js';
import { isRecord } from './jsonl.js';
import type { Convert } from './sink.js';

export interface DataRow {
  readonly prompt: Prompt;
  /** All columns but the prompt's, as the file holds them. */
  readonly columns: Readonly<Record<string, unknown>>;
}

export interface RowSettings {
  readonly promptColumn: string;
  /** Further columns that are kept; absent keeps all. */
  readonly columns?: readonly string[] | undefined;
  /** A text becomes the conversation of one user message, after `systemPrompt` where there is one. */
  readonly chat: boolean;
  readonly systemPrompt?: string | undefined;
}

type Add = (message: string, hint?: string) => void;

const roles = ['system', 'user', 'assistant', 'tool'] as const;

/** `{name, arguments}`, or the same under `function` as servers write it. */
function toolCallOf(value: unknown): ToolCall | undefined {
  const call = isRecord(value) && isRecord(value.function) ? value.function : value;
  if (!isRecord(call) || typeof call.name !== 'string') return undefined;
  return isRecord(call.arguments) ? { name: call.name, arguments: call.arguments } : undefined;
}

/** The message, or what is wrong with it. */
function messageOf(value: unknown): Message | string {
  if (!isRecord(value)) return 'is not an object of role and content';
  const role = roles.find((one) => one === value.role);
  if (role === undefined) return `has the role ${JSON.stringify(value.role)}; there are ${roles.join(', ')}`;
  const calls = (value.tool_calls ?? value.toolCalls ?? undefined) as unknown;
  const toolCalls = Array.isArray(calls) ? calls.map(toolCallOf) : [];
  if ((calls !== undefined && !Array.isArray(calls)) || toolCalls.includes(undefined)) {
    return 'has tool_calls that are no list of name and arguments';
  }
  const content = value.content ?? (toolCalls.length > 0 ? '' : undefined);
  if (typeof content !== 'string') return 'has a content that is no text';
  const { name } = value;
  return {
    role,
    content,
    ...(toolCalls.length > 0 && { toolCalls: toolCalls as ToolCall[] }),
    ...(typeof name === 'string' && { name }),
  };
}

function conversationOf(list: readonly unknown[], add: Add): readonly Message[] | undefined {
  const messages = list.map(messageOf);
  const wrong = messages.flatMap((message, at) =>
    typeof message === 'string' ? [`message ${at + 1} ${message}`] : [],
  );
  for (const message of wrong) add(message);
  if (wrong.length > 0) return undefined;
  const last = (messages as readonly Message[]).at(-1);
  if (last?.role === 'user' || last?.role === 'tool') return messages as readonly Message[];
  add(
    last ? `the conversation ends with the role ${last.role}` : 'the conversation is empty',
    'end it with a user message',
  );
  return undefined;
}

function promptOf(value: unknown, { promptColumn, chat, systemPrompt }: RowSettings, add: Add): Prompt | undefined {
  const system: readonly Message[] = systemPrompt === undefined ? [] : [{ role: 'system', content: systemPrompt }];
  if (typeof value === 'string') {
    if (value === '') add(`\`${promptColumn}\` is empty`);
    return chat && value !== '' ? [...system, { role: 'user', content: value }] : value;
  }
  if (!Array.isArray(value)) {
    add(`\`${promptColumn}\` is neither a text nor a list of messages`);
    return undefined;
  }
  const messages = conversationOf(value, add);
  return messages && (messages[0]?.role === 'system' ? messages : [...system, ...messages]);
}

function missing(column: string, names: readonly string[]): [string, string] {
  const shown = names.slice(0, 8).map((name) => `\`${name.length > 60 ? `${name.slice(0, 60)}…` : name}\``);
  const hint = column === 'prompt' ? 'name the column with data.promptColumn' : 'see data.promptColumn, data.columns';
  return [`has no column \`${column}\`; it has ${shown.join(', ') || 'none'}`, hint];
}

/** Rows by these settings; containers nested deeper than `depth` are refused, for what walks them recursively. */
export function rowConverter(settings: RowSettings, depth: number): Convert<DataRow> {
  const { promptColumn, columns: kept } = settings;
  return (row, add) => {
    const names = Object.keys(row);
    const wanted = [promptColumn, ...(kept ?? [])];
    const absent = wanted.filter((column) => !Object.hasOwn(row, column));
    for (const column of absent) add(...missing(column, names));
    if (absent.length > 0) return undefined;
    if (isTooDeep(row, depth)) {
      add(`containers are nested more than ${depth} deep`);
      return undefined;
    }
    const prompt = promptOf(row[promptColumn], settings, add);
    if (prompt === undefined || prompt === '') return undefined;
    const further = names.filter((name) => name !== promptColumn && (kept?.includes(name) ?? true));
    return { prompt, columns: Object.fromEntries(further.map((name) => [name, row[name]])) };
  };
}
