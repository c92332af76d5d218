/** Holds a conversation at the terminal: one line is one message, and the answer appears as it is generated. */
import type { ChatOptions } from '../../chat/template.js';
import { CancelledError, ChatTemplateError, PromptTooLongError } from '../../errors.js';
import type { Message } from '../../message.js';
import type { LocalPolicy } from '../../policy/local-policy.js';
import type { Sampling } from '../../policy/policy.js';
import { createRng } from '../../rng.js';
import { shownText } from './terminal.js';

export interface ChatTerminal {
  /** Reads the user's next line; undefined at the end of the input. */
  ask(): Promise<string | undefined>;
  write(text: string): void;
}

export interface ChatSettings {
  readonly system: string | undefined;
  readonly seed: number;
  readonly sampling: Sampling;
  readonly chat: ChatOptions;
  /** False leaves the folder's generation_config.json unread. */
  readonly generationConfig?: boolean;
}

/** Stops the answer in progress; returns false when there is none, or when it is already stopping. */
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

  /** Runs until `/exit` or the end of the input. */
  async run(): Promise<void> {
    for (let line = await this.terminal.ask(); line !== undefined; line = await this.terminal.ask()) {
      if (line.trim() === '/exit') return;
      if (line.trim() !== '') await this.answer(line);
    }
  }

  stopAnswer(): boolean {
    if (this.answering === undefined || this.answering.signal.aborted) return false;
    this.answering.abort();
    return true;
  }

  /** Answers one message; removes it from the conversation when it cannot be answered. */
  private async answer(line: string): Promise<void> {
    this.messages.push({ role: 'user', content: line });
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

  /** Streams the answer; the conversation keeps its token ids as generated, even those of a stopped answer. */
  private async stream(signal: AbortSignal): Promise<Message> {
    const { seed, sampling, chat, generationConfig = true } = this.settings;
    const requestId = createRng(seed)
      .fork('line', this.asked++)
      .id();
    const asked = { prompt: this.messages, n: 1, sampling, seed, requestId, chat, generationConfig, signal };
    const stream = this.policy.stream(asked);
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
