/**
 * Reads Arrow's stream and file formats, which datasets and Feather write. Values are taken from the library's buffers one by
 * one: its own rows lose a field named `__proto__`, and offsets of a hostile file may repeat a list a million times.
 */
import { readFile } from 'node:fs/promises';
import { type Batch, type Column, setCompressionCodec, type Table, tableFromIPC } from '@uwdata/flechette';
import { decompressZstd } from 'hyparquet-compressors';
import { thrownMessage } from '../shown.js';
import { type ArrowType, arrowType, exactArrowValue } from './arrow-types.js';
import { decodeLz4Frame } from './lz4-frame.js';
import { InvalidText, plainText } from './parquet-values.js';
import { type FileRecord, type FileRequest, recordFile } from './record.js';
import type { RowSink } from './sink.js';
import { uniqueNames } from './unique-names.js';

type AnyBatch = Batch<unknown> & { readonly dictionary?: Column<unknown> };

/** The memory that a value takes beside its text. */
const valueBytes = 8;

class ArrowReader {
  constructor(private readonly sink: RowSink) {}

  /** Returns the value at an index. @throws InvalidText, or an Error for a type without a value in JSON. */
  read(batch: AnyBatch, index: number, depth = 0): unknown {
    const { limits } = this.sink;
    if (depth > limits.depth) throw new RangeError(`containers are nested more than ${limits.depth} deep`);
    this.sink.count(valueBytes);
    if (!this.sink.open) throw new RangeError('its values exceed the limit');
    const type = batch.type as ArrowType;
    if (batch.nullCount > 0 && (batch.validity?.length ?? 0) > 0 && !batch.isValid(index)) return null;
    switch (type.typeId) {
      case arrowType.struct:
        return this.readStruct(batch, index, depth);
      case arrowType.map:
        return this.readMap(batch, index, depth);
      case arrowType.list:
      case arrowType.largeList:
      case arrowType.fixedList:
        return this.readList(batch, index, depth);
      default:
        return this.readLeaf(batch, index, type);
    }
  }

  private readStruct(batch: AnyBatch, index: number, depth: number): unknown {
    const children = childrenOf(batch);
    const names = uniqueNames((batch.type as ArrowType).children?.map(({ name }) => name) ?? []);
    return Object.fromEntries(names.map((name, at) => [name, this.read(nth(children, at), index, depth + 1)]));
  }

  private readList(batch: AnyBatch, index: number, depth: number): unknown[] {
    const [begin, end] = listRange(batch, index);
    const [child] = childrenOf(batch);
    if (child === undefined || !(end >= begin && begin >= 0 && end <= child.length)) {
      throw new RangeError('a list is longer than its column');
    }
    const values: unknown[] = [];
    for (let at = begin; at < end; at++) values.push(this.read(child, at, depth + 1));
    return values;
  }

  private readMap(batch: AnyBatch, index: number, depth: number): unknown {
    const entries = this.readList(batch, index, depth) as Record<string, unknown>[];
    return Object.fromEntries(entries.map((entry) => Object.values(entry) as [string, unknown]));
  }

  private readLeaf(batch: AnyBatch, index: number, type: ArrowType): unknown {
    const isDictionary = type.typeId === arrowType.dictionary;
    const valueType = isDictionary ? (type.dictionary as ArrowType) : type;
    if ((valueType.children?.length ?? 0) > 0 || type.typeId === arrowType.interval) {
      throw new Error(`a column has a type without a value in JSON (Arrow's type ${type.typeId})`);
    }
    const value = exactArrowValue(valueType, batch.at(index));
    return typeof value === 'string' || value instanceof Uint8Array ? plainText(value, this.sink) : value;
  }
}

const childrenOf = (batch: AnyBatch): readonly AnyBatch[] => (batch.children ?? []) as AnyBatch[];

function nth(children: readonly AnyBatch[], at: number): AnyBatch {
  const child = children[at];
  if (child === undefined) throw new Error('a struct has fewer columns than its type');
  return child;
}

function listRange(batch: AnyBatch, index: number): [number, number] {
  const { typeId, stride = 0 } = batch.type as ArrowType;
  if (typeId === arrowType.fixedList) return [index * stride, (index + 1) * stride];
  return [Number(batch.offsets[index]), Number(batch.offsets[index + 1])];
}

/** Reads the rows of each batch; columns are those in use. */
function readBatches(table: Table, sink: RowSink, wanted: readonly string[] | undefined): void {
  const names = uniqueNames(table.schema.fields.map(({ name }) => name));
  const columns = names.flatMap((name, at) => {
    const batches = table.children[at]?.data as readonly AnyBatch[] | undefined;
    return batches && (wanted?.includes(name) ?? true) ? [{ name, batches }] : [];
  });
  const reader = new ArrowReader(sink);
  for (const [number, { length }] of (columns[0]?.batches ?? []).entries()) {
    for (let index = 0; index < length; index++) {
      if (!sink.open) return;
      const place = `batch ${number + 1}, row ${index + 1}`;
      try {
        const values = columns.map(({ name, batches }) => [name, reader.read(nth(batches, number), index)]);
        sink.row(Object.fromEntries(values), () => place);
      } catch (error) {
        if (!(error instanceof InvalidText)) throw error;
        sink.problem('contains text that is not valid UTF-8', place, 'exclude binary columns with data.columns');
      }
    }
  }
}

/** Decompressors that count what they write against the limit before they write it. */
function setCodecs(sink: RowSink): void {
  const bounded = (decompress: (bytes: Uint8Array, length: number) => Uint8Array) => {
    const decode = (bytes: Uint8Array, length: number): Uint8Array => {
      sink.count(length);
      if (!(length >= 0) || !sink.open) throw new RangeError('its decompressed size exceeds the limit');
      return decompress(bytes, length);
    };
    const encode = (): never => {
      throw new Error('nothing is written');
    };
    return { decode, encode };
  };
  setCompressionCodec(0, bounded(decodeLz4Frame));
  setCompressionCodec(
    1,
    bounded((bytes, length) => decompressZstd(bytes, new Uint8Array(length))),
  );
}

async function readArrowFile(file: string, sink: RowSink, columns?: readonly string[]): Promise<void> {
  try {
    const bytes = await readFile(file);
    sink.count(bytes.length);
    if (!sink.open) return sink.problem(`more than ${sink.limits.totalBytes} bytes of data`);
    setCodecs(sink);
    const options = { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true };
    readBatches(tableFromIPC(new Uint8Array(bytes), options), sink, columns);
  } catch (error) {
    sink.problem(`cannot be read as Arrow: ${thrownMessage(error)}`);
  }
}

/** Reads a file in the thread and returns everything for the sink of the main thread. */
export function recordArrow(request: FileRequest): Promise<FileRecord> {
  return recordFile(request, readArrowFile);
}
