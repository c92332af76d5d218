/**
 * Reads conversations, for data files, the command line and the library alike. Every key of a message is kept for the chat
 * template; the content becomes a text, the arguments of tool calls become objects.
 */
import { ExactNumber, parseExact } from './exact-json.js';
import type { Message, ToolCall } from './message.js';
import { editDistance, nearest } from './nearest.js';
import { describeValue } from './shown.js';

/** A message that cannot be read. */
export interface MessageProblem {
  /** Place of the message in the conversation, from 0. */
  readonly at: number;
  /** The role, where it has one. */
  readonly role?: string;
  /** Path of the wrong key within the message; empty for the message itself. */
  readonly key: string;
  /** Completes "`key` …". */
  readonly reason: string;
}

/** The messages that could be read, and the problems of the others. */
export interface MessagesRead {
  readonly messages: readonly Message[];
  readonly problems: readonly MessageProblem[];
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);

class Unreadable extends Error {
  constructor(
    readonly key: string,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/** Roles that a misspelt one is compared with; templates may know others. */
const usualRoles = ['system', 'developer', 'user', 'assistant', 'tool'];

function readRole(message: Fields): string {
  const { role } = message;
  if (typeof role !== 'string' || role === '') {
    const found = role === undefined ? 'is missing' : `must be a text, not ${describeValue(role)}`;
    throw new Unreadable('role', `${found}; the usual roles are ${usualRoles.join(', ')}`);
  }
  const meant = usualRoles.includes(role) ? undefined : nearest(role, usualRoles);
  if (meant === undefined) return role;
  throw new Unreadable('role', `is ${JSON.stringify(role)}; did you mean '${meant}'?`);
}

const textParts: readonly unknown[] = ['text', 'input_text', 'output_text'];

function readPart(part: unknown, at: number): string {
  if (typeof part === 'string') return part;
  const key = `content[${at}]`;
  if (!isFields(part))
    throw new Unreadable(key, `must be a part with \`type\` and \`text\`, not ${describeValue(part)}`);
  const { type = 'text', text } = part;
  if (!textParts.includes(type))
    throw new Unreadable(key, `is a part of type ${JSON.stringify(type)}; only texts are read`);
  if (typeof text === 'string') return text;
  throw new Unreadable(`${key}.text`, `must be a text, not ${describeValue(text)}`);
}

/** Keys that say nothing alone. */
const besideContent = ['role', 'content', 'name', 'id'];

/** An assistant turn may have no content where something else stands in it: calls, thinking, tokens. */
function mayLackContent(message: Fields, role: string): boolean {
  const others = Object.keys(message).filter((key) => !besideContent.includes(key) && (message[key] ?? null) !== null);
  return role === 'assistant' && others.some((key) => editDistance(key, 'content') > 2);
}

function readContent(message: Fields, role: string): string | null | undefined {
  const { content } = message;
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return content.map(readPart).join('');
  if (content !== null && content !== undefined) {
    throw new Unreadable('content', `must be a text or a list of text parts, not ${describeValue(content)}`);
  }
  if (mayLackContent(message, role)) return content;
  const found = content === null ? 'is null' : 'is missing';
  const rule =
    role === 'assistant' ? 'a turn without it needs `tool_calls` or `reasoning_content`' : 'it must be a text';
  throw new Unreadable('content', `${found}; ${rule}`);
}

/** JSON text, as OpenAI's API sends it, becomes the object that templates print; vLLM reads it so too. */
function readArguments(given: unknown, key: string): Fields {
  if (given === undefined || given === null || given === '') return {};
  let value: unknown = given;
  if (typeof given === 'string') {
    try {
      value = parseExact(given);
    } catch (error) {
      throw new Unreadable(key, `is not JSON: ${(error as Error).message}`);
    }
  }
  if (isFields(value)) return value;
  throw new Unreadable(key, `must be an object, or its JSON as text, not ${describeValue(value)}`);
}

function withArguments(call: Fields, key: string): Fields {
  if (typeof call.name !== 'string')
    throw new Unreadable(`${key}.name`, `must be a text, not ${describeValue(call.name)}`);
  const entries = Object.entries({ ...call, arguments: null }).map(([name, value]) =>
    name === 'arguments' ? [name, readArguments(call.arguments, `${key}.arguments`)] : [name, value],
  );
  return Object.fromEntries(entries) as Fields;
}

/** A call as OpenAI's API writes it, under `function`, or `{name, arguments}` alone as TRL's data may have it. */
function readCall(call: unknown, key: string): Fields {
  if (!isFields(call)) throw new Unreadable(key, `must be an object, not ${describeValue(call)}`);
  if (!isFields(call.function)) return withArguments(call, key);
  return keepingKeys(call, { function: withArguments(call.function, `${key}.function`) });
}

function expandCall(call: unknown, key: string): Fields {
  const read = readCall(call, key);
  if (isFields(read.function)) return read;
  const { name, arguments: given, ...others } = read as unknown as ToolCall;
  return { ...others, type: 'function', function: { name, arguments: given } };
}

function readCalls(message: Fields): readonly Fields[] | undefined {
  const { toolCalls, tool_calls } = message;
  const [key, calls] = toolCalls == null ? ['tool_calls', tool_calls ?? undefined] : ['toolCalls', toolCalls];
  if (toolCalls != null && tool_calls != null) throw new Unreadable(key, 'and `tool_calls` are both there; give one');
  if (calls === undefined) return undefined;
  if (!Array.isArray(calls)) throw new Unreadable(key, `must be a list, not ${describeValue(calls)}`);
  const read = key === 'tool_calls' ? readCall : expandCall;
  return calls.map((call, at) => read(call, `${key}[${at}]`));
}

function readTokens({ tokens }: Fields, role: string): readonly number[] | undefined {
  if (tokens === undefined || tokens === null) return undefined;
  const isId = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31;
  if (!Array.isArray(tokens))
    throw new Unreadable('tokens', `must be a list of token ids, not ${describeValue(tokens)}`);
  const wrong = tokens.findIndex((id) => !isId(id));
  if (wrong >= 0) throw new Unreadable(`tokens[${wrong}]`, `must be a token id, not ${describeValue(tokens[wrong])}`);
  if (role !== 'assistant') throw new Unreadable('tokens', 'belong to assistant turns');
  return tokens as readonly number[];
}

/** The message with these values in place of its own, in its order; a key named `__proto__` stays a key. */
function keepingKeys(message: Fields, read: Fields): Fields {
  const entries = Object.entries(message).map(([key, value]) => [key, Object.hasOwn(read, key) ? read[key] : value]);
  return Object.fromEntries(entries) as Fields;
}

function readMessage(message: unknown): Message {
  if (!isFields(message))
    throw new Unreadable('', `must be an object with role and content, not ${describeValue(message)}`);
  const role = readRole(message);
  const content = readContent(message, role);
  readTokens(message, role);
  const calls = readCalls(message);
  const { toolCalls, ...others } = keepingKeys(message, { content, ...(calls && { tool_calls: calls }) });
  return (toolCalls == null ? others : { ...others, tool_calls: calls }) as unknown as Message;
}

/** Reads a list of messages, each on its own. Reading a message that was read before returns an equal one. */
export function readMessages(list: readonly unknown[]): MessagesRead {
  const messages: Message[] = [];
  const problems: MessageProblem[] = [];
  for (const [at, message] of list.entries()) {
    try {
      messages.push(readMessage(message));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      const { key, reason } = error;
      const role = isFields(message) && typeof message.role === 'string' ? message.role : undefined;
      problems.push({ at, key, reason, ...(role !== undefined && { role }) });
    }
  }
  return { messages, problems };
}

/** The problem in words, with the message's number from 1: "message 2 (assistant): `content` is missing; …". */
export function describeProblem({ at, role, key, reason }: MessageProblem): string {
  const subject = role === undefined ? `message ${at + 1}` : `message ${at + 1} (${role})`;
  return key === '' ? `${subject} ${reason}` : `${subject}: \`${key}\` ${reason}`;
}
