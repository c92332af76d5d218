/** The interface of every embedder of the diversity bonus: answers in, vectors out. */

/** Tokens that the policy generated, after the prompt that it saw. */
export interface GeneratedTokens {
  readonly promptTokens: Int32Array;
  readonly tokens: Int32Array;
}

/** One answer to embed: its text for a model of texts, its tokens turn by turn for one that reads the policy's states. */
export interface EmbeddingInput {
  readonly text: string;
  readonly turns?: readonly GeneratedTokens[];
}

export interface Embedder {
  /** Length of a vector; an embedder of the policy's states knows it after the first call of `embed`. */
  readonly dimension: number;
  /** Vectors as row-major [inputs, dimension]. @throws CancelledError when the signal fires. */
  embed(inputs: readonly EmbeddingInput[], signal?: AbortSignal): Promise<Float32Array>;
  /** Metrics `perf/…`: the cache of a resumed run begins empty, so they are not repeatable. */
  metrics?(): Readonly<Record<string, number>>;
  close?(): Promise<void>;
}
