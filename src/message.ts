/** What a policy is asked: a text, or a conversation that the model folder's chat template turns into tokens. */

/** A call of a tool, as an assistant turn made it. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  /** Ids of an assistant turn as it was generated: rendered as these tokens, never re-tokenised. */
  readonly tokens?: readonly number[];
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool's answer: the tool. */
  readonly name?: string;
}

/** A string is raw text, and special tokens in it are parsed; messages are rendered by the chat template. */
export type Prompt = string | readonly Message[];

/** The prompt as one text, for what compares prompts by their words; no template is applied. */
export function promptText(prompt: Prompt): string {
  if (typeof prompt === 'string') return prompt;
  return prompt.map(({ role, content }) => `${role}: ${content}`).join('\n\n');
}
