/** Builds prompts from flags or from the lines of a file: a text, messages, or token ids. */
import { readFileSync } from 'node:fs';
import type { ChatOptions } from '../../chat/template.js';
import { UsageError } from '../../errors.js';
import type { Message, Prompt, ToolCall } from '../../message.js';
import { textFlag } from '../flags.js';
import { type JsonLine, readTokens } from '../json-lines.js';

const roles: readonly Message['role'][] = ['system', 'user', 'assistant', 'tool'];

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Parses a tool call in our form, or in OpenAI's `{"type": "function", "function": …}` with an object or JSON text. */
function parseToolCall(value: unknown, wrong: (what: string) => UsageError): ToolCall {
  const call = isFields(value) && isFields(value.function) ? value.function : value;
  if (!isFields(call) || typeof call.name !== 'string') throw wrong('a tool call needs a `name` and `arguments`');
  const given = call.arguments ?? {};
  const parsed: unknown = typeof given === 'string' ? parseArguments(given, wrong) : given;
  if (!isFields(parsed)) throw wrong('the `arguments` of a tool call must be an object');
  return { name: call.name, arguments: parsed };
}

function parseArguments(text: string, wrong: (what: string) => UsageError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('the `arguments` of a tool call are not JSON');
  }
}

function parseMessage(value: unknown, place: string): Message {
  const wrong = (what: string): UsageError => new UsageError(`${place}: ${what}`, { place });
  if (!isFields(value)) throw wrong('a message must be an object with `role` and `content`');
  const role = roles.find((one) => one === value.role);
  if (role === undefined) throw wrong(`a message's \`role\` must be one of ${roles.join(', ')}`);
  const content = value.content ?? '';
  if (typeof content !== 'string') throw wrong("a message's `content` must be a text");
  const tokens = readTokens({ value, place }, 'tokens');
  if (tokens !== undefined && role !== 'assistant') throw wrong('only an assistant message may have `tokens`');
  const calls = value.toolCalls ?? value.tool_calls;
  if (calls !== undefined && !Array.isArray(calls)) throw wrong('`tool_calls` must be a list');
  return {
    role,
    content,
    ...(tokens && { tokens: Array.from(tokens) }),
    ...(calls && { toolCalls: calls.map((call: unknown) => parseToolCall(call, wrong)) }),
    ...(typeof value.name === 'string' && { name: value.name }),
  };
}

/** Parses the `messages` of a line; undefined when it has none. */
export function readMessages({ value, place }: JsonLine): readonly Message[] | undefined {
  const { messages } = value;
  if (messages === undefined) return undefined;
  if (Array.isArray(messages) && messages.length > 0) return messages.map((one) => parseMessage(one, place));
  throw new UsageError(`${place}: \`messages\` must be a list of messages`, { place, key: 'messages' });
}

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
  const tokens = readTokens(line, 'tokens');
  if (tokens !== undefined) return tokens;
  const { value, place } = line;
  const messages = readMessages(line) ?? (Array.isArray(value.prompt) ? readMessages(asMessages(line)) : undefined);
  if (messages !== undefined) return messages;
  if (typeof value.prompt === 'string') return textToPrompt(value.prompt, form);
  throw new UsageError(`${place}: a line needs \`prompt\`, \`messages\` or \`tokens\``, { place });
}

const asMessages = ({ value, place }: JsonLine): JsonLine => ({ value: { messages: value.prompt }, place });

/** Reads the options of the chat template: `--chat-template`, `--tools`, `--date`, `--template-variables` and `--continue-final-message`. */
export function chatOptions(argv: readonly string[]): ChatOptions {
  const names = ['tools', 'date', 'template-variables', 'chat-template'];
  const [tools, date, variables, template] = names.map((name) => textFlag(argv, name));
  if (date !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(date))
    throw new UsageError(`--date takes YYYY-MM-DD, not ${date}`);
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
  if (isFields(value)) return value;
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
  if (Array.isArray(tools) && tools.every(isFields)) return tools;
  throw new UsageError(`--tools ${file}: must hold a JSON list of tools, as OpenAI's API takes them`, { file });
}

function parseJson(text: string, flag: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`);
  }
}
