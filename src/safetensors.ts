/** Writes safetensors: 8 bytes of header length, a JSON header, then the arrays as little-endian float32. */

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major; its length is the product of `shape`. */
  readonly values: Float32Array;
}

function encodeHeader(tensors: readonly NamedTensor[]): Buffer {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (size !== values.length)
      throw new RangeError(`tensor ${name}: shape ${shape} holds ${size}, not ${values.length}`);
    entries[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const text = JSON.stringify(entries);
  // Spaces align the data to a multiple of 8 bytes, so that it can be memory-mapped.
  return Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '));
}

function toLittleEndian(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(values.byteLength);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/** Encodes a safetensors file with these tensors in this order. @throws RangeError when shape and values differ in size. */
export function encodeSafetensors(tensors: readonly NamedTensor[]): Buffer {
  const header = encodeHeader(tensors);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...tensors.map(({ values }) => toLittleEndian(values))]);
}
