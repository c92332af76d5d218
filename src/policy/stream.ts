/** Streams completions as they grow: the new pieces in order, then the complete answer. */
import type { NativeStreamed } from '../native.js';
import type { Generated } from './policy.js';

/** A piece of one completion. */
export interface Streamed {
  /** Index of the completion, below the request's `n`. */
  readonly completion: number;
  /** Its new tokens. */
  readonly tokens: Int32Array;
  /** The new final text; it ends between characters. */
  readonly text: string;
}

/**
 * The pieces of all completions. Read it once, with `for await`; leaving the loop cancels the request. A slow reader
 * receives larger pieces, because at most one piece per completion waits.
 */
export interface GenerationStream extends AsyncIterable<Streamed> {
  /** The complete answer; the pieces of a completion add up to its tokens and its text. */
  readonly result: Promise<Generated>;
}

interface Piece {
  tokens: number[];
  text: string;
}

/** Creates a stream over a `generate` that reports its new tokens; calls `cancel` when the reader leaves the loop early. */
export function streamOf(
  generate: (onTokens: (streamed: NativeStreamed) => void) => Promise<Generated>,
  cancel: () => void,
): GenerationStream {
  const mailbox = new Mailbox();
  const result = generate((streamed) => mailbox.put(streamed));
  result.then(
    (generated) => mailbox.finish(generated),
    (error: unknown) => mailbox.fail(error),
  );
  return { result, [Symbol.asyncIterator]: () => mailbox.read(cancel) };
}

class Mailbox {
  private readonly waiting = new Map<number, Piece>();
  /** For each completion the number of tokens and the text received so far. */
  private readonly seen = new Map<number, { tokens: number; text: string }>();
  private done = false;
  private failure: { readonly error: unknown } | undefined;
  private wake: () => void = () => {};

  put({ completions, tokens, offsets, texts }: NativeStreamed): void {
    if (this.done) return;
    completions.forEach((completion, at) => {
      this.add(completion, tokens.subarray(offsets[at], offsets[at + 1]), texts[at] ?? '');
    });
    this.wake();
  }

  /** Adds the rest of each completion, which only the complete answer contains. */
  finish({ completions }: Generated): void {
    completions.forEach(({ tokens, text }, completion) => {
      const seen = this.seen.get(completion) ?? { tokens: 0, text: '' };
      const rest = text.startsWith(seen.text) ? text.slice(seen.text.length) : '';
      this.add(completion, tokens.subarray(seen.tokens), rest);
    });
    this.done = true;
    this.wake();
  }

  fail(error: unknown): void {
    this.done = true;
    this.failure = { error };
    this.wake();
  }

  async *read(cancel: () => void): AsyncGenerator<Streamed, void, undefined> {
    try {
      while (true) {
        for (const [completion, { tokens, text }] of this.waiting) {
          this.waiting.delete(completion);
          yield { completion, tokens: Int32Array.from(tokens), text };
        }
        if (this.failure) throw this.failure.error;
        if (this.done && this.waiting.size === 0) return;
        if (this.waiting.size === 0) await new Promise<void>((resolve) => (this.wake = resolve));
      }
    } finally {
      if (!this.done) cancel();
    }
  }

  private add(completion: number, tokens: Int32Array, text: string): void {
    if (tokens.length === 0 && text === '') return;
    const seen = this.seen.get(completion) ?? { tokens: 0, text: '' };
    this.seen.set(completion, { tokens: seen.tokens + tokens.length, text: seen.text + text });
    const piece = this.waiting.get(completion) ?? { tokens: [], text: '' };
    // Not push(...tokens): a call takes fewer arguments than a long completion has tokens.
    for (const token of tokens) piece.tokens.push(token);
    piece.text += text;
    this.waiting.set(completion, piece);
  }
}
