/** Writes safetensors: 8 bytes of header length, a JSON header, then the arrays as little-endian float32. */

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major, as many numbers as the shape holds. */
  readonly values: Float32Array;
}

function headerOf(tensors: readonly NamedTensor[]): Buffer {
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
  // Spaces make the data begin at a multiple of 8, so that it can be mapped into memory as it is.
  return Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8, ' '));
}

function littleEndian(values: Float32Array): Buffer {
  const bytes = Buffer.alloc(values.byteLength);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes;
}

/** The bytes of a safetensors file that holds these tensors in this order. */
export function encodeSafetensors(tensors: readonly NamedTensor[]): Buffer {
  const header = headerOf(tensors);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...tensors.map(({ values }) => littleEndian(values))]);
}
