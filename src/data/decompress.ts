/**
 * Parquet's decompressors under a limit: a page header may declare gigabytes, and a stream may decompress to more than
 * its header declares. Both fail before the memory is allocated.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors, decompressZstd } from 'hyparquet-compressors';

type Decompress = (input: Uint8Array, length: number) => Uint8Array;

const checkLength = (output: Uint8Array, length: number): Uint8Array => {
  if (output.length === length) return output;
  throw new Error(`a page decompresses to ${output.length} bytes, its header declares ${length}`);
};

const limited: Readonly<Record<string, Decompress>> = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
};

/** Creates decompressors that call `reserve(length)` before they decompress; it throws when the limit is exceeded. */
export function boundedCompressors(reserve: (bytes: number) => void): Compressors {
  const all: Readonly<Record<string, Decompress>> = { ...(compressors as Record<string, Decompress>), ...limited };
  const bounded = Object.entries(all).map(([codec, decompress]): [string, Decompress] => [
    codec,
    (input, length) => {
      reserve(length);
      // Empty output has several encodings, and not every decompressor accepts each of them.
      if (length === 0) return new Uint8Array(0);
      return checkLength(decompress(input, length), length);
    },
  ]);
  return Object.fromEntries(bounded) as Compressors;
}
