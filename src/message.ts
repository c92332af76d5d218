/** Prompts: a text, or a conversation that the model folder's chat template turns into tokens. */

/** A call of a tool, as an assistant turn made it. */
export interface ToolCall {
  /** The tool. */
  readonly name: string;
  /** By parameter, as JSON values. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Names the call for the answer's `tool_call_id`. */
  readonly id?: string;
}

/** One turn of a conversation. The chat template sees every key of it, also those without a line here. */
export interface Message {
  /** Who says it: `system`, `developer`, `user`, `assistant`, `tool`, or another role that the template knows. */
  readonly role: string;
  /** The text. An assistant turn that only calls tools or only reasons may have none. */
  readonly content?: string | null;
  /** Ids of an assistant turn as it was generated: rendered as these tokens, never re-tokenised. */
  readonly tokens?: readonly number[] | null;
  /** The calls of an assistant turn in short; templates see them as `tool_calls`. */
  readonly toolCalls?: readonly ToolCall[];
  /** The calls of an assistant turn as OpenAI's API writes them. */
  readonly tool_calls?: readonly object[] | null;
  /** The call that a tool's answer belongs to. */
  readonly tool_call_id?: string;
  /** The tool, for a tool's answer. */
  readonly name?: string;
  /** Thinking that precedes the answer of an assistant turn. */
  readonly reasoning_content?: string | null;
  readonly [key: string]: unknown;
}

/** Messages with what else their chat template needs to know. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** Functions that the model may call, as OpenAI's JSON schema has them. */
  readonly tools?: readonly object[];
  /** True when the completion continues the last message; false begins a turn of the assistant. */
  readonly continueFinalMessage?: boolean;
}

/** A string is raw text, and special tokens in it are parsed; messages are rendered by the chat template. */
export type Prompt = string | readonly Message[] | Conversation;

/** The messages of a prompt; undefined for a text. */
export function promptMessages(prompt: Prompt): readonly Message[] | undefined {
  if (typeof prompt === 'string') return undefined;
  return 'messages' in prompt ? prompt.messages : prompt;
}

/** The prompt as one text, to compare prompts by their words; no template is applied. */
export function promptText(prompt: Prompt): string {
  const messages = promptMessages(prompt);
  if (messages === undefined) return String(prompt);
  return messages.map(({ role, content }) => `${role}: ${content ?? ''}`).join('\n\n');
}
