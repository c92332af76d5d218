/** Converts a row of a data file: the prompt, and all other columns for rewards and verifiers. */
import { plainNumbers } from '../exact-json.js';
import type { Message, Prompt } from '../message.js';
import { isTooDeep } from '../nesting.js';
import { describeProblem, readMessages } from '../read-messages.js';
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

function parseConversation(list: readonly unknown[], addProblem: AddProblem): readonly Message[] | undefined {
  const { messages, problems } = readMessages(list);
  for (const problem of problems) addProblem(describeProblem(problem));
  if (list.length === 0) addProblem('the conversation is empty', 'end it with a user message');
  return problems.length > 0 || list.length === 0 ? undefined : messages;
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
