/** The interface of every embedder, which turns answers into vectors for the diversity bonus. */

/** Tokens that the policy generated, with the prompt before them. */
export interface GeneratedTokens {
  readonly promptTokens: Int32Array;
  readonly tokens: Int32Array;
}

/** One answer to embed: its text for a text model, its tokens turn by turn for an embedder of the policy's states. */
export interface EmbeddingInput {
  readonly text: string;
  readonly turns?: readonly GeneratedTokens[];
}

/** Turns answers into float32 vectors of one length, for the diversity bonus and the distances between starts. */
export interface Embedder {
  /** Length of a vector; 0 before the first call of `embed` for an embedder of the policy's states. */
  readonly dimension: number;
  /** Returns vectors as row-major [inputs, dimension]. @throws CancelledError when the signal fires. */
  embed(inputs: readonly EmbeddingInput[], signal?: AbortSignal): Promise<Float32Array>;
  /** Reports metrics `perf/…`, which are not repeatable: the cache of a resumed run begins empty. */
  metrics?(): Readonly<Record<string, number>>;
  close?(): Promise<void>;
}
