/** Prompts: a text, or a conversation that the model folder's chat template turns into tokens. */

/** A call of a tool, as an assistant turn made it. */
export interface ToolCall {
  /** The tool. */
  readonly name: string;
  /** By parameter, as JSON values. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** One turn of a conversation. */
export interface Message {
  /** Who says it. */
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Ids of an assistant turn as it was generated: rendered as these tokens, never re-tokenised. */
  readonly tokens?: readonly number[];
  /** The calls of an assistant turn. */
  readonly toolCalls?: readonly ToolCall[];
  /** The tool, for a tool's answer. */
  readonly name?: string;
}

/** A string is raw text, and special tokens in it are parsed; messages are rendered by the chat template. */
export type Prompt = string | readonly Message[];

/** The prompt as one text, to compare prompts by their words; no template is applied. */
export function promptText(prompt: Prompt): string {
  if (typeof prompt === 'string') return prompt;
  return prompt.map(({ role, content }) => `${role}: ${content}`).join('\n\n');
}
