/** An embedder on this machine: a sentence-transformers folder on the native engine, behind a cache of vectors. */
import {
  callback,
  type Fields,
  listOf,
  oneOf,
  positiveNumber,
  requireArgument,
  requireFields,
  text,
  wholeNumber,
} from '../arguments.js';
import { modelFolder } from '../hub/model-cache.js';
import {
  cancellable,
  crossing,
  crossingNow,
  type Dtype,
  type EmbedderInfo,
  type NativeEmbedder,
  native,
  resolveDtype,
} from '../native.js';
import { type OnNotice, passNotices } from '../notices.js';
import { type CacheStatistics, contentKey, VectorCache } from './vector-cache.js';

/** How `LocalEmbedder.load` loads a folder; every key has a default. */
export interface LocalEmbedderOptions {
  /** `auto` (CUDA where it can be used), `cpu`, `cuda` or `cuda:N`. */
  readonly device?: string;
  /** `auto`, the default, is float32 on the CPU and bfloat16 elsewhere. */
  readonly dtype?: Dtype;
  /** CPU threads; 0, the default, takes all cores. */
  readonly threads?: number;
  readonly backend?: 'auto' | 'kernels' | 'torch';
  /** Prefix of every text, for example `query: `; overrides `promptName`. */
  readonly prompt?: string | undefined;
  /** Name of one of the folder's prompts; without `prompt` and `promptName`, the folder's default one. */
  readonly promptName?: string | undefined;
  /** Truncates texts to this many tokens, when that is below the folder's limit. */
  readonly maxTokens?: number | undefined;
  /** Vectors cached for repeated texts; a full cache evicts the least recently used. 0 caches none; default 8192. */
  readonly cacheSize?: number;
  /** Receives a line for what the folder holds and nobody reads; by default each is written to standard error once. */
  readonly onNotice?: OnNotice;
}

const optionFields: Fields<LocalEmbedderOptions> = {
  device: text,
  dtype: oneOf('auto', 'float32', 'bfloat16'),
  threads: wholeNumber,
  backend: oneOf('auto', 'kernels', 'torch'),
  prompt: text,
  promptName: text,
  maxTokens: positiveNumber,
  cacheSize: wholeNumber,
  onNotice: callback,
};

/** Vectors that an embedder caches for repeated texts. */
export const defaultCacheSize = 8192;

/** Texts that cross to the engine together: it sorts them by length, and the JavaScript thread copies them in an instant. */
const textsAtOnce = 512;

/** Selects the options of texts that are set. */
function textOptions({ prompt, promptName, maxTokens }: LocalEmbedderOptions) {
  return {
    ...(prompt !== undefined && { prompt }),
    ...(promptName !== undefined && { promptName }),
    ...(maxTokens !== undefined && { maxTokens }),
  };
}

/** Embeds texts as vectors and computes equal texts once. It holds native memory: close it. */
export class LocalEmbedder {
  private closing: Promise<void> | undefined;
  private readonly running = new Set<Promise<unknown>>();
  /** Length of a vector. */
  readonly dimension: number;

  private constructor(
    private readonly engine: NativeEmbedder,
    private readonly cache: VectorCache,
  ) {
    this.dimension = engine.info().dimension;
  }

  /**
   * Loads a sentence-transformers folder, or `owner/name` of a fetched model.
   *
   * @throws InvalidRequestError for an option that is unknown or of the wrong type; ModelFolderError, DeviceError,
   * OutOfMemoryError, HubError for a model that was not fetched.
   * @example
   * ```ts no-run
   * import { LocalEmbedder } from 'exit-rl/embedders';
   *
   * const embedder = await LocalEmbedder.load('all-MiniLM-L6-v2', { threads: 2 });
   * console.log(embedder.dimension);
   * await embedder.close();
   * ```
   */
  static async load(folder: string, options: LocalEmbedderOptions = {}): Promise<LocalEmbedder> {
    requireArgument('LocalEmbedder.load', { folder }, text);
    requireFields<LocalEmbedderOptions>('LocalEmbedder.load', options, optionFields);
    const { device = 'auto', dtype = 'auto', threads = 0, backend = 'auto', cacheSize = defaultCacheSize } = options;
    const found = modelFolder(folder);
    const engine = await crossing(() => {
      const choice = { device, dtype: resolveDtype(dtype, device), threads, backend, ...textOptions(options) };
      return native(device).NativeEmbedder.load(found, choice);
    });
    passNotices(engine.info().notices, options.onNotice);
    return new LocalEmbedder(engine, new VectorCache(cacheSize));
  }

  /**
   * Returns facts of the loaded embedder: dimension, longest text in tokens, prompt, device, dtype.
   *
   * @throws PolicyClosedError.
   * @example
   * ```ts no-run
   * import { LocalEmbedder } from 'exit-rl/embedders';
   *
   * const embedder = await LocalEmbedder.load('all-MiniLM-L6-v2');
   * console.log(embedder.info().maxTokens);
   * await embedder.close();
   * ```
   */
  info(): EmbedderInfo {
    return crossingNow(() => this.engine.info());
  }

  /**
   * Returns the counts of the cache since loading.
   *
   * @example
   * ```ts no-run
   * import { LocalEmbedder } from 'exit-rl/embedders';
   *
   * const embedder = await LocalEmbedder.load('all-MiniLM-L6-v2');
   * await embedder.embed(['tea', 'coffee']);
   * await embedder.embed(['tea']);
   * console.log(embedder.cacheStatistics().hits); // 1
   * await embedder.close();
   * ```
   */
  cacheStatistics(): CacheStatistics {
    return this.cache.statistics();
  }

  /**
   * Embeds each text as a vector; returns them row-major, `[texts, dimension]`. Equal texts are computed once.
   *
   * @throws InvalidRequestError, TokenizerError, OutOfMemoryError, CancelledError, PolicyClosedError.
   * @example
   * ```ts no-run
   * import { LocalEmbedder } from 'exit-rl/embedders';
   *
   * const embedder = await LocalEmbedder.load('all-MiniLM-L6-v2');
   * const vectors = await embedder.embed(['tea', 'coffee']);
   * console.log(vectors.length === 2 * embedder.dimension);
   * await embedder.close();
   * ```
   */
  async embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array> {
    requireArgument('embed', { texts }, listOf(text));
    const work = this.embedAll(texts, signal);
    this.running.add(work);
    try {
      return await work;
    } finally {
      this.running.delete(work);
    }
  }

  private async embedAll(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array> {
    const keys = texts.map(contentKey);
    const vectors = new Map<string, Float32Array>();
    const missing = new Map<string, string>();
    keys.forEach((key, at) => {
      const known = this.cache.get(key);
      if (known) vectors.set(key, known);
      else missing.set(key, texts[at] ?? '');
    });
    for (const [key, vector] of await this.compute([...missing], signal)) {
      vectors.set(key, vector);
      this.cache.set(key, vector);
    }
    const flat = new Float32Array(texts.length * this.dimension);
    keys.forEach((key, at) => {
      flat.set(vectors.get(key) ?? [], at * this.dimension);
    });
    return flat;
  }

  private async compute(
    missing: readonly (readonly [string, string])[],
    signal: AbortSignal | undefined,
  ): Promise<(readonly [string, Float32Array])[]> {
    const found: (readonly [string, Float32Array])[] = [];
    for (let start = 0; start < missing.length; start += textsAtOnce) {
      const part = missing.slice(start, start + textsAtOnce);
      const texts = part.map(([, text]) => text);
      const flat = await cancellable(signal, (ticket) => this.engine.embed(texts, ticket));
      part.forEach(([key], at) => {
        found.push([key, flat.slice(at * this.dimension, (at + 1) * this.dimension)]);
      });
    }
    return found;
  }

  /**
   * Frees the embedder after the pending work. Repeated calls return the same promise; other calls then fail with
   * PolicyClosedError.
   *
   * @example
   * ```ts no-run
   * import { LocalEmbedder } from 'exit-rl/embedders';
   *
   * const embedder = await LocalEmbedder.load('all-MiniLM-L6-v2');
   * await embedder.close();
   * ```
   */
  close(): Promise<void> {
    this.closing ??= Promise.allSettled([...this.running]).then(() => {
      this.cache.clear();
      return crossing(() => this.engine.close());
    });
    return this.closing;
  }
}
