/** Builds prompts from flags or from the lines of a file: a text, messages, or token ids. */
import { readFileSync } from 'node:fs';
import type { ChatOptions } from '../../chat/template.js';
import { isRecord, tryParse } from '../../data/jsonl.js';
import { UsageError } from '../../errors.js';
import type { Message, Prompt } from '../../message.js';
import { describeProblem, readMessages } from '../../read-messages.js';
import { describeValue } from '../../shown.js';
import { textFlag } from '../flags.js';
import { type JsonLine, readTokens } from '../json-lines.js';

type Fields = Readonly<Record<string, unknown>>;

function parseMessages(list: unknown, { value, place }: JsonLine, key: string): readonly Message[] {
  const refuse = (reason: string): UsageError => new UsageError(`${place}: \`${key}\` ${reason}`, { place, key });
  if (!Array.isArray(list)) throw refuse(`must be a list of messages, not ${describeValue(value[key])}`);
  if (list.length === 0) throw refuse('has no message');
  const { messages, problems } = readMessages(list);
  const [problem] = problems;
  if (problem === undefined) return messages;
  throw new UsageError(`${place}: ${problems.map(describeProblem).join('; ')}`, { place, key: problem.key });
}

/** The keys of a line that name its prompt, and how the chat template renders it. */
const templateKeys = [
  'tools',
  'chat_template_kwargs',
  'templateVariables',
  'date',
  'continueFinalMessage',
  'continue_final_message',
];
export const promptKeys = ['prompt', 'messages', 'tokens', ...templateKeys];

function refuseTwo({ value, place }: JsonLine, keys: readonly string[]): void {
  const [first, second] = keys.filter((key) => value[key] !== undefined);
  if (second === undefined) return;
  throw new UsageError(`${place}: \`${first}\` and \`${second}\` are both there; give one`, { place, key: second });
}

/** Reads the messages of a line, under `messages` or as its `prompt`; undefined when it has none. */
export function lineMessages(line: JsonLine): readonly Message[] | undefined {
  const { messages, prompt } = line.value;
  refuseTwo(line, ['tokens', 'messages', 'prompt']);
  if (messages !== undefined) return parseMessages(messages, line, 'messages');
  return Array.isArray(prompt) ? parseMessages(prompt, line, 'prompt') : undefined;
}

/** Adds the line's own tools, day and variables to the options of the chat template. */
export function lineChat(line: JsonLine, chat: ChatOptions): ChatOptions {
  const { value, place } = line;
  const used = templateKeys.filter((key) => value[key] !== undefined && value[key] !== null);
  if (used.length === 0) return chat;
  if (lineMessages(line) === undefined)
    throw new UsageError(`${place}: \`${used[0]}\` needs \`messages\``, { place, key: used[0] });
  refuseTwo(line, ['chat_template_kwargs', 'templateVariables']);
  refuseTwo(line, ['continueFinalMessage', 'continue_final_message']);
  const tools = readLineValue(line, ['tools'], 'a list of tools', isToolList);
  const variables = readLineValue(line, ['chat_template_kwargs', 'templateVariables'], 'an object', isRecord);
  const date = readLineValue(line, ['date'], 'a day as YYYY-MM-DD', isDay);
  const isFlag = (one: unknown): one is boolean => typeof one === 'boolean';
  const continued = readLineValue(line, ['continueFinalMessage', 'continue_final_message'], 'true or false', isFlag);
  return {
    ...chat,
    ...(tools && { tools }),
    ...(variables && { variables: { ...chat.variables, ...variables } }),
    ...(date !== undefined && { date }),
    ...(continued !== undefined && { continueFinalMessage: continued, addGenerationPrompt: !continued }),
  };
}

function readLineValue<Value>(
  { value, place }: JsonLine,
  names: readonly string[],
  words: string,
  fits: (value: unknown) => value is Value,
): Value | undefined {
  const key = names.find((name) => value[name] !== undefined && value[name] !== null);
  if (key === undefined) return undefined;
  const given = value[key];
  if (fits(given)) return given;
  throw new UsageError(`${place}: \`${key}\` must be ${words}, not ${describeValue(given)}`, { place, key });
}

const isToolList = (value: unknown): value is readonly object[] => Array.isArray(value) && value.every(isRecord);
const isDay = (value: unknown): value is string => typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value);

/** The form of text prompts. */
export interface PromptForm {
  /** `--chat`: a text becomes the user's message. */
  readonly chat: boolean;
  /** The system message before it. */
  readonly system: string | undefined;
}

/** Returns the text as the prompt, or as the user's message after the system message. */
export function textToPrompt(text: string, { chat, system }: PromptForm): Prompt {
  if (!chat) return text;
  const message: Message = { role: 'user', content: text };
  return system === undefined ? [message] : [{ role: 'system', content: system }, message];
}

/** Reads the prompt of a line: `{"tokens"}`, `{"messages"}`, or `{"prompt"}` with a text or messages. */
export function lineToPrompt(line: JsonLine, form: PromptForm): Prompt | Int32Array {
  const messages = lineMessages(line);
  const tokens = readTokens(line, 'tokens');
  if (tokens !== undefined) return tokens;
  if (messages !== undefined) return messages;
  const { value, place } = line;
  if (typeof value.prompt === 'string') return textToPrompt(value.prompt, form);
  throw new UsageError(`${place}: a line needs \`prompt\`, \`messages\` or \`tokens\``, { place });
}

/**
 * Reads the options of the chat template: `--chat-template`, `--tools`, `--date`, `--template-variables` and
 * `--continue-final-message`.
 */
export function chatOptions(argv: readonly string[]): ChatOptions {
  const names = ['tools', 'date', 'template-variables', 'chat-template'];
  const [tools, date, variables, template] = names.map((name) => textFlag(argv, name));
  if (date !== undefined && !isDay(date)) throw new UsageError(`--date takes YYYY-MM-DD, not ${date}`);
  return {
    ...(template !== undefined && { template }),
    ...(tools !== undefined && { tools: readTools(tools) }),
    ...(date !== undefined && { date }),
    ...(variables !== undefined && { variables: readVariables(variables) }),
    ...(argv.includes('--continue-final-message') && { continueFinalMessage: true }),
  };
}

function readVariables(text: string): Fields {
  const value = parseJson(text, '--template-variables');
  if (isRecord(value)) return value;
  throw new UsageError('--template-variables takes a JSON object, for example \'{"enable_thinking":false}\'');
}

function readTools(file: string): readonly object[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--tools ${file}: cannot be read (${(error as Error).message})`, { file });
  }
  const tools = parseJson(text, `--tools ${file}`);
  if (isToolList(tools)) return tools;
  throw new UsageError(`--tools ${file}: must hold a JSON list of tools, as OpenAI's API takes them`, { file });
}

function parseJson(text: string, flag: string): unknown {
  const value = tryParse(text);
  if (value instanceof Error) throw new UsageError(`${flag}: ${value.message}`);
  return value;
}
