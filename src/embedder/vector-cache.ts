/** Caches vectors by the hash of their text and evicts the least recently used. */
import { createHash } from 'node:crypto';

/** Counts since the cache was created. */
export interface CacheStatistics {
  /** Requests for a text whose vector was cached. */
  readonly hits: number;
  /** Requests for a text whose vector was computed. */
  readonly misses: number;
  /** Cached vectors. */
  readonly size: number;
}

/** Hashes a text, so that keys stay short however long answers are. */
export const contentKey = (text: string): string => createHash('sha256').update(text).digest('base64');

/** A cache of at most `capacity` vectors; 0 disables it. */
export class VectorCache {
  // A map lists its keys in order of insertion and a hit inserts again: the first key is the least recently used.
  private readonly vectors = new Map<string, Float32Array>();
  private hits = 0;
  private misses = 0;

  constructor(private readonly capacity: number) {}

  get(key: string): Float32Array | undefined {
    const vector = this.vectors.get(key);
    if (vector === undefined) {
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    this.vectors.delete(key);
    this.vectors.set(key, vector);
    return vector;
  }

  set(key: string, vector: Float32Array): void {
    if (this.capacity === 0) return;
    this.vectors.delete(key);
    this.vectors.set(key, vector);
    const oldest = this.vectors.keys().next();
    if (this.vectors.size > this.capacity && !oldest.done) this.vectors.delete(oldest.value);
  }

  statistics(): CacheStatistics {
    return { hits: this.hits, misses: this.misses, size: this.vectors.size };
  }

  clear(): void {
    this.vectors.clear();
  }
}
