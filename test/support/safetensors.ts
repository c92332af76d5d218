/** Writes malformed safetensors files. */
import { readFileSync, writeFileSync } from 'node:fs';

export interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}
export type Header = Record<string, Entry>;

/** The header of a file. */
export function readHeader(file: string): Header {
  const content = readFileSync(file);
  return JSON.parse(content.toString('utf8', 8, 8 + Number(content.readBigUInt64LE(0))));
}

/** Rewrites a file's header; `bytes` may change the data after it. */
export function changeHeader(
  file: string,
  change: (header: Header) => unknown,
  bytes = (data: Buffer): Buffer => data,
): void {
  const content = readFileSync(file);
  const length = Number(content.readBigUInt64LE(0));
  const header = JSON.parse(content.toString('utf8', 8, 8 + length)) as Header;
  const changed = change(header) ?? header;
  writeSafetensors(
    file,
    typeof changed === 'string' ? changed : JSON.stringify(changed),
    bytes(content.subarray(8 + length)),
  );
}

export function writeSafetensors(file: string, header: string, data: Buffer): void {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, text, data]));
}
