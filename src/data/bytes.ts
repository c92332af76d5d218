/** Reads the bytes of a text file, decompressed where they begin as gzip does. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { thrownMessage } from '../shown.js';
import type { RowSink } from './sink.js';

/** A file that holds no text; `message` follows its name. */
export class UnreadableFile extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

type Signature = readonly [begin: string, what: string, hint: string];

const decompress = 'decompress it, or write gzip';
const encode = 'save the file as UTF-8';

/** The first bytes, in hexadecimal, of files that hold no UTF-8. */
const unreadable: readonly Signature[] = [
  ['28b52ffd', 'is compressed with zstd', decompress],
  ['425a68', 'is compressed with bzip2', decompress],
  ['fd377a585a00', 'is compressed with xz', decompress],
  ['504b0304', 'is a zip archive', 'unpack it'],
  ['fffe0000', 'is UTF-32', encode],
  ['0000feff', 'is UTF-32', encode],
  ['fffe', 'is UTF-16', encode],
  ['feff', 'is UTF-16', encode],
];

async function readSignature(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.toString('hex', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/**
 * Reads a file in chunks, without the byte order mark.
 * @throws UnreadableFile for a file that no reader of text can read.
 */
export async function* readBytes(file: string): AsyncGenerator<Buffer> {
  const signature = await readSignature(file).catch((error: unknown) => {
    throw new UnreadableFile(`cannot be read: ${thrownMessage(error)}`);
  });
  yield* unpacked(signature, () => createReadStream(file, { highWaterMark: 2 ** 20 }));
}

/**
 * Reads standard input, or another stream, as `readBytes` reads a file.
 * @throws UnreadableFile
 */
export async function* readStream(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]();
  let begin = Buffer.alloc(0);
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    begin = Buffer.concat([begin, next.value]);
    if (begin.length >= 8) break;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield begin;
    yield* { [Symbol.asyncIterator]: () => chunks };
  }
  yield* unpacked(begin.toString('hex', 0, 8), () => Readable.from(whole(), { objectMode: false }));
}

async function* unpacked(signature: string, openSource: () => Readable): AsyncGenerator<Buffer> {
  const found = unreadable.find(([begin]) => signature.startsWith(begin));
  if (found) throw new UnreadableFile(found[1], found[2]);
  const isPacked = signature.startsWith('1f8b');
  try {
    yield* withoutMark(isPacked ? gunzip(openSource()) : openSource());
  } catch (error) {
    throw new UnreadableFile(`cannot be ${isPacked ? 'decompressed' : 'read'}: ${thrownMessage(error)}`);
  }
}

/** Decompresses chunk by chunk; a reader that stops closes the source. */
async function* gunzip(source: Readable): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: 2 ** 20 });
  source.on('error', (error) => unzip.destroy(error));
  try {
    yield* source.pipe(unzip) as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
    unzip.destroy();
  }
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

async function* withoutMark(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const chunk of chunks) {
    yield isFirst && chunk.subarray(0, byteOrderMark.length).equals(byteOrderMark) ? chunk.subarray(3) : chunk;
    isFirst = false;
  }
}

/** Runs a reader; a file that it cannot read becomes a problem of the sink. */
export async function reportUnreadable(sink: RowSink, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    sink.problem(error.message, undefined, error.hint);
  }
}
