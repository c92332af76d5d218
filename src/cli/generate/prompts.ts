/** What a command asks the model: a text, messages, or token ids, from flags or from a line of a file. */
import { readFileSync } from 'node:fs';
import type { ChatOptions } from '../../chat/template.js';
import { UsageError } from '../../errors.js';
import type { Message, Prompt, ToolCall } from '../../message.js';
import { textFlag } from '../flags.js';
import { type JsonLine, tokensOf } from '../json-lines.js';

const roles: readonly Message['role'][] = ['system', 'user', 'assistant', 'tool'];

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A call in our form, or in OpenAI's `{"type": "function", "function": …}` with arguments as an object or as JSON text. */
function toolCall(value: unknown, wrong: (what: string) => UsageError): ToolCall {
  const call = isFields(value) && isFields(value.function) ? value.function : value;
  if (!isFields(call) || typeof call.name !== 'string') throw wrong('a tool call has a `name` and `arguments`');
  const given = call.arguments ?? {};
  const parsed: unknown = typeof given === 'string' ? parseArguments(given, wrong) : given;
  if (!isFields(parsed)) throw wrong('the `arguments` of a tool call are an object');
  return { name: call.name, arguments: parsed };
}

function parseArguments(text: string, wrong: (what: string) => UsageError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong('the `arguments` of a tool call are no JSON');
  }
}

function message(value: unknown, place: string): Message {
  const wrong = (what: string): UsageError => new UsageError(`${place}: ${what}`, { place });
  if (!isFields(value)) throw wrong('a message is an object with `role` and `content`');
  const role = roles.find((one) => one === value.role);
  if (role === undefined) throw wrong(`a message's \`role\` is one of ${roles.join(', ')}`);
  const content = value.content ?? '';
  if (typeof content !== 'string') throw wrong("a message's `content` is a text");
  const tokens = tokensOf({ value, place }, 'tokens');
  if (tokens !== undefined && role !== 'assistant') throw wrong('only an assistant message has `tokens`');
  const calls = value.toolCalls ?? value.tool_calls;
  if (calls !== undefined && !Array.isArray(calls)) throw wrong('`tool_calls` is a list');
  return {
    role,
    content,
    ...(tokens && { tokens: Array.from(tokens) }),
    ...(calls && { toolCalls: calls.map((call: unknown) => toolCall(call, wrong)) }),
    ...(typeof value.name === 'string' && { name: value.name }),
  };
}

/** The messages of a line; undefined when it has none. */
export function messagesOf({ value, place }: JsonLine): readonly Message[] | undefined {
  const { messages } = value;
  if (messages === undefined) return undefined;
  if (Array.isArray(messages) && messages.length > 0) return messages.map((one) => message(one, place));
  throw new UsageError(`${place}: \`messages\` must be a list of messages`, { place, key: 'messages' });
}

export interface Asking {
  /** `--chat`: texts are what a user says. */
  readonly chat: boolean;
  readonly system: string | undefined;
}

/** A text as the prompt, or as what a user says after the system message. */
export function promptOfText(text: string, { chat, system }: Asking): Prompt {
  if (!chat) return text;
  const said: Message = { role: 'user', content: text };
  return system === undefined ? [said] : [{ role: 'system', content: system }, said];
}

/** `{"tokens"}`, `{"messages"}` or `{"prompt"}`, a text or messages. */
export function promptOfLine(line: JsonLine, asking: Asking): Prompt | Int32Array {
  const tokens = tokensOf(line, 'tokens');
  if (tokens !== undefined) return tokens;
  const { value, place } = line;
  const messages = messagesOf(line) ?? (Array.isArray(value.prompt) ? messagesOf(asMessages(line)) : undefined);
  if (messages !== undefined) return messages;
  if (typeof value.prompt === 'string') return promptOfText(value.prompt, asking);
  throw new UsageError(`${place}: a line has \`prompt\`, \`messages\` or \`tokens\``, { place });
}

const asMessages = ({ value, place }: JsonLine): JsonLine => ({ value: { messages: value.prompt }, place });

/** `--chat-template`, `--tools`, `--date` and `--template-variables` as the chat template gets them. */
export function chatOptions(argv: readonly string[]): ChatOptions {
  const names = ['tools', 'date', 'template-variables', 'chat-template'];
  const [tools, date, variables, template] = names.map((name) => textFlag(argv, name));
  if (date !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(date))
    throw new UsageError(`--date is YYYY-MM-DD, not ${date}`);
  return {
    ...(template !== undefined && { template }),
    ...(tools !== undefined && { tools: readTools(tools) }),
    ...(date !== undefined && { date }),
    ...(variables !== undefined && { variables: readVariables(variables) }),
  };
}

function readVariables(text: string): Fields {
  const value = parsed(text, '--template-variables');
  if (isFields(value)) return value;
  throw new UsageError('--template-variables is a JSON object, for example \'{"enable_thinking":false}\'');
}

function readTools(file: string): readonly object[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--tools ${file}: cannot be read (${(error as Error).message})`, { file });
  }
  const tools = parsed(text, `--tools ${file}`);
  if (Array.isArray(tools) && tools.every(isFields)) return tools;
  throw new UsageError(`--tools ${file}: a JSON list of tools, as OpenAI's API takes them`, { file });
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`);
  }
}
