/** A conversation at the terminal: one line is one message, and the answer appears as it is generated. */
import type { ChatOptions } from '../../chat/template.js';
import { CancelledError, ChatTemplateError, PromptTooLongError } from '../../errors.js';
import type { Message } from '../../message.js';
import type { LocalPolicy } from '../../policy/local.js';
import type { Sampling } from '../../policy/policy.js';
import { createRng } from '../../rng.js';
import { shownText } from './terminal.js';

export interface ChatTerminal {
  /** The next line of the user; undefined when there is none any more. */
  ask(): Promise<string | undefined>;
  write(text: string): void;
}

export interface ChatSettings {
  readonly system: string | undefined;
  readonly seed: number;
  readonly sampling: Sampling;
  readonly chat: ChatOptions;
}

/** Stops the answer in progress; false when there is none, or it is stopping already. */
export interface Interrupt {
  stopAnswer(): boolean;
}

export class ChatSession implements Interrupt {
  private readonly messages: Message[];
  private answering: AbortController | undefined;
  private asked = 0;

  constructor(
    private readonly policy: Pick<LocalPolicy, 'stream'>,
    private readonly terminal: ChatTerminal,
    private readonly settings: ChatSettings,
  ) {
    const { system } = settings;
    this.messages = system === undefined ? [] : [{ role: 'system', content: system }];
  }

  /** Until `/exit` or the end of the input. */
  async run(): Promise<void> {
    for (let said = await this.terminal.ask(); said !== undefined; said = await this.terminal.ask()) {
      if (said.trim() === '/exit') return;
      if (said.trim() !== '') await this.answer(said);
    }
  }

  stopAnswer(): boolean {
    if (this.answering === undefined || this.answering.signal.aborted) return false;
    this.answering.abort();
    return true;
  }

  /** A message that cannot be answered is taken back. */
  private async answer(said: string): Promise<void> {
    this.messages.push({ role: 'user', content: said });
    this.answering = new AbortController();
    try {
      this.messages.push(await this.stream(this.answering.signal));
    } catch (error) {
      if (!PromptTooLongError.isInstance(error) && !ChatTemplateError.isInstance(error)) throw error;
      this.messages.pop();
      this.terminal.write(`(${error.message})`);
    } finally {
      this.answering = undefined;
      this.terminal.write('\n');
    }
  }

  /** The answer's ids go into the conversation as they are, also those of an answer that was stopped. */
  private async stream(signal: AbortSignal): Promise<Message> {
    const { seed, sampling, chat } = this.settings;
    const requestId = createRng(seed)
      .fork('line', this.asked++)
      .id();
    const stream = this.policy.stream({ prompt: this.messages, n: 1, sampling, seed, requestId, chat, signal });
    const tokens: number[] = [];
    let content = '';
    try {
      for await (const piece of stream) {
        tokens.push(...piece.tokens);
        content += piece.text;
        this.terminal.write(shownText(piece.text));
      }
    } catch (error) {
      if (!CancelledError.isInstance(error)) throw error;
      this.terminal.write(' (stopped)');
    }
    return { role: 'assistant', content, tokens };
  }
}
