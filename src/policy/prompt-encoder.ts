/** Encodes prompts as token ids on the tokenizer's thread; later work can wait for them. */
import { type Chat, createChat } from '../chat/conversation.js';
import type { ChatOptions } from '../chat/template.js';
import { readChatFiles } from '../chat/template-files.js';
import type { Conversation, Message, Prompt } from '../message.js';
import { crossing, type NativeTokenizer } from '../native.js';

/** A prompt of a policy: a text, messages, messages with their tools, or token ids. */
export type PromptOrTokens = Prompt | readonly number[] | Int32Array;

function isTokens(prompt: Exclude<PromptOrTokens, string>): prompt is readonly number[] | Int32Array {
  if ('messages' in prompt) return false;
  return prompt.length === 0 || typeof prompt[0] === 'number';
}

/** Splits a prompt into its messages and the options that it brings, which override those of the request. */
function splitConversation(prompt: Exclude<Prompt, string>): [readonly Message[], ChatOptions] {
  if (!('messages' in prompt)) return [prompt, {}];
  const { messages, ...options } = prompt satisfies Conversation;
  return [messages, options];
}

/** Encodes prompts for one tokenizer and its chat template. */
export class PromptEncoder {
  private chat: Chat | undefined;
  private readonly inWork = new Set<Promise<Int32Array>>();

  constructor(
    private readonly folder: string,
    private readonly tokenizer: NativeTokenizer,
    private readonly endTokens: readonly number[],
    /** The chat options that a prompt's own override. */
    private readonly defaults: ChatOptions = {},
  ) {}

  /** Returns ids at once, so that their request keeps its place. @throws ChatTemplateError, TokenizerError. */
  encode(prompt: PromptOrTokens, options?: ChatOptions): Int32Array | Promise<Int32Array> {
    if (typeof prompt !== 'string' && isTokens(prompt)) return Int32Array.from(prompt);
    const encoding = typeof prompt === 'string' ? this.encodeText(prompt) : this.encodeMessages(prompt, options);
    this.inWork.add(encoding);
    const forget = (): boolean => this.inWork.delete(encoding);
    encoding.then(forget, forget);
    return encoding;
  }

  /** Renders a conversation as text, including special tokens. */
  render(messages: readonly Message[], options?: ChatOptions): Promise<string> {
    return this.ownChat().render(messages, this.complete(options));
  }

  /** Resolves when the prompts before this call have been encoded or have failed; undefined when there are none. */
  pending(): Promise<unknown> | undefined {
    return this.inWork.size > 0 ? Promise.allSettled(this.inWork) : undefined;
  }

  private encodeText(text: string): Promise<Int32Array> {
    return crossing(() => this.tokenizer.encodeText(text));
  }

  private async encodeMessages(prompt: Exclude<Prompt, string>, options?: ChatOptions): Promise<Int32Array> {
    const [messages, own] = splitConversation(prompt);
    return this.ownChat().encode(messages, { ...this.complete(options), ...own });
  }

  private complete(options: ChatOptions = {}): ChatOptions {
    const { defaults } = this;
    return { ...defaults, ...options, variables: { ...defaults.variables, ...options.variables } };
  }

  private ownChat(): Chat {
    const { folder, tokenizer, endTokens } = this;
    this.chat ??= createChat({ files: readChatFiles(folder), tokenizer, endTokens });
    return this.chat;
  }
}
