/** From messages to token ids: guard, render, splice, encode. */
import { ChatTemplateError } from '../errors.js';
import type { Message } from '../message.js';
import { crossing, crossingNow, type NativeTokenizer } from '../native.js';
import { concat, offsetsOf } from '../ragged.js';
import { createGuard, type Guard } from './guard.js';
import { pythonTrim, pythonTrimEnd, words } from './jinja/python-text.js';
import { type TemplateRenderer, templateRenderer } from './renderer.js';
import { type GeneratedTurn, spliceTurns } from './splice.js';
import { type ChatOptions, chooseTemplate, renderRequest, requireMessages, templateMessage } from './template.js';
import type { ChatFiles } from './template-files.js';
import { jsonOf, type Marks, mapTexts, marksFor } from './template-marks.js';

/** A tokenizer and the chat template that belongs to it. */
export interface Chat {
  /** Token ids of a conversation. @throws ChatTemplateError, TokenizerError. */
  encode(messages: readonly Message[], options?: ChatOptions): Promise<Int32Array>;
  /** The conversation's text, as transformers' `apply_chat_template` with `tokenize=False` has it. */
  render(messages: readonly Message[], options?: ChatOptions): Promise<string>;
}

/** The parts of a chat. */
export interface ChatParts {
  readonly files: ChatFiles;
  readonly tokenizer: NativeTokenizer;
  /** Tokens that end a completion: a turn's last one is left to the template. */
  readonly endTokens: readonly number[];
  readonly renderer?: TemplateRenderer;
}

/** A chat over a folder's templates and tokenizer. */
export function createChat(parts: ChatParts): Chat {
  const { renderer = templateRenderer() } = parts;
  const guards = new Map<string, Guard>();
  const guardFor = (template: string): Guard => {
    const guard = guards.get(template) ?? createGuard(parts.tokenizer, template);
    guards.set(template, guard);
    return guard;
  };
  return {
    render: async (messages, options = {}) => renderPlain(parts, renderer, requireMessages(messages), options),
    encode: async (messages, options = {}) => {
      const template = chooseTemplate(parts.files, options);
      const read = requireMessages(messages);
      return new MarkedConversation(parts, renderer, guardFor(template), read, options).encode();
    },
  };
}

async function renderPlain(
  { files }: ChatParts,
  renderer: TemplateRenderer,
  messages: readonly Message[],
  options: ChatOptions,
): Promise<string> {
  const end = marksFor([messages, options]).end;
  const opened = options.continueFinalMessage ? openFinal(messages, end) : messages;
  const text = await renderer.render(renderRequest(files, opened.map(templateMessage), options));
  return options.continueFinalMessage ? cutAtOpening(text, end, messages.at(-1)?.content ?? '') : text;
}

/** Appends the mark and a space to the last message's text: the space shows whether the template trims. */
function openFinal(messages: readonly Message[], mark: string): readonly Message[] {
  const last = messages.at(-1);
  if (last === undefined) throw new ChatTemplateError('there is no final message to continue');
  if (typeof last.content !== 'string') throw new ChatTemplateError('the final message has no content to continue');
  return [...messages.slice(0, -1), { ...last, content: `${last.content}${mark} ` }];
}

/** The text up to the opening, without the white space that the template trims there; as transformers cuts it. */
function cutAtOpening(text: string, mark: string, content: string): string {
  const at = text.lastIndexOf(mark);
  if (at < 0 || !text.includes(pythonTrim(content))) {
    throw new ChatTemplateError('the chat template leaves out a part of the message that is to be continued');
  }
  return text[at + 1] === ' ' ? text.slice(0, at) : pythonTrimEnd(text.slice(0, at));
}

const withoutSpace = (text: string): string => words(text).join('');

/** One conversation on its way to ids. */
class MarkedConversation {
  private readonly marks: Marks;
  private readonly options: ChatOptions;
  private readonly turns = new Map<number, GeneratedTurn>();
  /** The messages with guards, before end marks. */
  private readonly guarded: readonly Record<string, unknown>[];

  constructor(
    private readonly parts: ChatParts,
    private readonly renderer: TemplateRenderer,
    private readonly guard: Guard,
    private readonly messages: readonly Message[],
    private readonly plainOptions: ChatOptions,
  ) {
    this.marks = marksFor([messages, plainOptions]);
    const { tools, variables, ...others } = plainOptions;
    const guardIn = (value: unknown): unknown => mapTexts(value, (text) => guard(text, this.marks.guard));
    this.options = {
      ...others,
      ...(tools && { tools: guardIn(tools) as readonly object[] }),
      ...(variables && { variables: guardIn(variables) as Record<string, unknown> }),
    };
    messages.forEach((message, number) => {
      if (message.tokens) this.turns.set(number, this.generatedTurn(message.tokens));
    });
    this.guarded = messages.map((message, number) => ({
      ...(guardIn(templateMessage(message)) as Record<string, unknown>),
      role: message.role,
      ...(this.turns.has(number) && { content: this.turns.get(number)?.text }),
    }));
  }

  async encode(): Promise<Int32Array> {
    const { guard, splice } = this.marks;
    const rendered = await this.renderMarked();
    await this.requireSameText(rendered);
    const { text, splices, kept } = spliceTurns(rendered, this.turns, this.marks);
    if (kept.size > 0) await this.requireLeftOut(rendered, kept);
    const [tokens, offsets] = [concat(Int32Array, splices), offsetsOf(splices)];
    return crossing(() => this.parts.tokenizer.encodeRendered({ text, guard, splice, tokens, offsets }));
  }

  /** The turn's ids without the token that ended it, and their text. */
  private generatedTurn(ids: readonly number[]): GeneratedTurn {
    const { tokenizer, endTokens } = this.parts;
    const ended = ids.length > 0 && endTokens.includes(ids.at(-1) as number);
    const tokens = Int32Array.from(ended ? ids.slice(0, -1) : ids);
    const textOf = (count: number): string =>
      crossingNow(() => tokenizer.decode(tokens.subarray(0, count), Uint32Array.of(0, count), true))[0] as string;
    return { tokens, text: this.guard(textOf(tokens.length), this.marks.guard), textOf };
  }

  private async renderMarked(kept: ReadonlyMap<number, string> = new Map()): Promise<string> {
    const { end } = this.marks;
    const open = this.options.continueFinalMessage ? this.messages.length - 1 : -1;
    if (open >= 0 && !this.turns.has(open)) openFinal(this.messages, end);
    const marked = this.guarded.map((message, number) => {
      if (!this.turns.has(number) && number !== open) return message;
      const text = kept.get(number) ?? String(message.content);
      const content = this.turns.has(number) ? `${text}${end}${number}${end}` : text;
      return { ...message, content: number === open ? `${content}${this.marks.splice} ` : content };
    });
    const rendered = await this.renderer.render(renderRequest(this.parts.files, marked, this.options));
    return open < 0 ? rendered : cutAtOpening(rendered, this.marks.splice, String(marked[open]?.content ?? ''));
  }

  /** Marks must not change what the template makes of the messages, but for white space that it trims. */
  private async requireSameText(rendered: string): Promise<void> {
    const { guard } = this.marks;
    if (this.turns.size === 0 && !jsonOf([this.guarded, this.options]).includes(guard)) return;
    const plain = this.messages.map((message, number) => {
      const content = this.turns.get(number)?.text.replaceAll(guard, '');
      return content === undefined ? message : { ...message, content };
    });
    const expected = await renderPlain(this.parts, this.renderer, plain, this.plainOptions);
    const found = this.withoutMarks(rendered);
    if (this.turns.size === 0 ? found === expected : withoutSpace(found) === withoutSpace(expected)) return;
    const reason = 'it looks for a special token in a message, or takes an assistant turn apart';
    const message = `the chat template of \`${this.parts.files.source}\`: ${reason}; give the prompt as text or as ids`;
    throw new ChatTemplateError(message, { file: this.parts.files.source, reason });
  }

  /** A template may leave out a part of a turn, but not rewrite it: the rest alone must render the same. */
  private async requireLeftOut(rendered: string, kept: ReadonlyMap<number, string>): Promise<void> {
    const shorter = await this.renderMarked(kept);
    if (withoutSpace(shorter) === withoutSpace(rendered)) return;
    const reason = 'it rewrites an assistant turn, whose ids cannot be kept then';
    const message = `the chat template of \`${this.parts.files.source}\`: ${reason}; give that turn without ids`;
    throw new ChatTemplateError(message, { file: this.parts.files.source, reason });
  }

  private withoutMarks(text: string): string {
    const { guard, end } = this.marks;
    return text.replaceAll(new RegExp(`${end}\\d*${end}`, 'g'), '').replaceAll(guard, '');
  }
}
