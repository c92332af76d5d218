/**
 * Parquet's compressors under a limit: a page may say that it unpacks to gigabytes, and a stream may unpack to more than
 * its page says. Both are refused before the memory is taken.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors, decompressZstd } from 'hyparquet-compressors';

type Decompress = (input: Uint8Array, length: number) => Uint8Array;

const exact = (output: Uint8Array, length: number): Uint8Array => {
  if (output.length === length) return output;
  throw new Error(`a page unpacks to ${output.length} bytes, it says ${length}`);
};

const own: Readonly<Record<string, Decompress>> = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
};

/** Compressors that unpack at most `take(length)` allows: it throws when too much was asked for. */
export function boundedCompressors(take: (bytes: number) => void): Compressors {
  const all: Readonly<Record<string, Decompress>> = { ...(compressors as Record<string, Decompress>), ...own };
  const bounded = Object.entries(all).map(([codec, decompress]): [string, Decompress] => [
    codec,
    (input, length) => {
      take(length);
      // Nothing is packed in several ways, and not every decompressor knows each.
      if (length === 0) return new Uint8Array(0);
      return exact(decompress(input, length), length);
    },
  ]);
  return Object.fromEntries(bounded) as Compressors;
}
