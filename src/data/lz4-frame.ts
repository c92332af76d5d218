/** Decompresses LZ4 frames, the form of Feather's buffers; the library of Parquet's compressors has single blocks only. */

const magic = 0x184d2204;
const damaged = (): Error => new Error('an LZ4 frame is damaged');

/** Copies one block's literals and matches behind `at`; a match may begin in an earlier block. Returns the new end. */
function decodeBlock(block: Uint8Array, output: Uint8Array, at: number): number {
  let from = 0;
  let to = at;
  const next = (): number => {
    const byte = block[from++];
    if (byte === undefined) throw damaged();
    return byte;
  };
  const length = (short: number): number => {
    let total = short;
    for (let byte = short === 15 ? 255 : 0; byte === 255; total += byte) byte = next();
    return total;
  };
  while (from < block.length) {
    const token = next();
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > output.length) throw damaged();
    output.set(block.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from >= block.length) break;
    const offset = next() | (next() << 8);
    const matched = length(token & 15) + 4;
    if (offset === 0 || offset > to || to + matched > output.length) throw damaged();
    for (const end = to + matched; to < end; to++) output[to] = output[to - offset] as number;
  }
  return to;
}

/** Returns the offset of the first block. */
function headerLength(view: DataView): number {
  if (view.byteLength < 7 || view.getUint32(0, true) !== magic) throw damaged();
  const flags = view.getUint8(4);
  return 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
}

/** Decompresses a frame of `length` bytes. @throws an Error for a frame of another length or a damaged one. */
export function decodeLz4Frame(bytes: Uint8Array, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new Uint8Array(length);
  const blockChecksum = bytes.length > 4 && view.getUint8(4) & 16 ? 4 : 0;
  let to = 0;
  for (let from = headerLength(view); from + 4 <= bytes.length; ) {
    const word = view.getUint32(from, true);
    if (word === 0) break;
    const size = word & 0x7fffffff;
    const block = bytes.subarray(from + 4, from + 4 + size);
    if (block.length !== size) throw damaged();
    if (word === size) to = decodeBlock(block, output, to);
    else if (to + size > length) throw damaged();
    else {
      output.set(block, to);
      to += size;
    }
    from += 4 + size + blockChecksum;
  }
  if (to !== length) throw damaged();
  return output;
}
