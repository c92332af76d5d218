/** A stream, such as standard input, is read as a file with the same bytes. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readStream, UnreadableFile } from '../../src/data/bytes.js';

async function read(bytes: Buffer, size: number): Promise<string> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found: Buffer[] = [];
  for await (const chunk of readStream(chunks())) found.push(chunk);
  return Buffer.concat(found).toString();
}

const text = `{"text":"é"}\n${'{"text":"x"}\n'.repeat(1000)}`;

describe.each([1, 7, 8, 100_000])('in chunks of %i bytes', (size) => {
  test.each([
    ['text', Buffer.from(text), text],
    ['text with a byte order mark', Buffer.from(`\ufeff${text}`), text],
    ['gzip', gzipSync(text), text],
    ['gzip of two members', Buffer.concat([gzipSync('a'), gzipSync('b')]), 'ab'],
    ['fewer bytes than a signature', Buffer.from('{}'), '{}'],
    ['nothing', Buffer.alloc(0), ''],
  ])('%s', async (_, bytes, expected) => {
    expect(await read(bytes, size)).toBe(expected);
  });

  test('zstd and a cut gzip are refused', async () => {
    await expect(read(Buffer.from('28b52ffd00000000', 'hex'), size)).rejects.toThrow(UnreadableFile);
    await expect(read(gzipSync(text).subarray(0, -9), size)).rejects.toThrow(/cannot be decompressed/);
  });
});
