/** Records what a reader in a thread finds, in the order in which the sink of the main thread receives it. */
import type { DataLimits } from './limits.js';
import type { RawRow, Reader } from './sink.js';

/** A file to read in a thread. */
export interface FileRequest {
  readonly file: string;
  readonly columns?: readonly string[] | undefined;
  readonly limits: DataLimits;
}

/** The rows and problems of a file. */
export interface FileRecord {
  readonly bytes: number;
  readonly rows: readonly { readonly row: RawRow; readonly place: string }[];
  readonly problems: readonly { readonly message: string; readonly place?: string; readonly hint?: string }[];
}

/** Reads a file into a record. */
export async function recordFile({ file, columns, limits }: FileRequest, read: Reader): Promise<FileRecord> {
  const rows: { row: RawRow; place: string }[] = [];
  const problems: FileRecord['problems'][number][] = [];
  let bytes = 0;
  const isOpen = (): boolean =>
    bytes <= limits.totalBytes && rows.length <= limits.rows && problems.length < limits.problems;
  const sink = {
    limits,
    get open() {
      return isOpen();
    },
    get troubled() {
      return problems.length > 0;
    },
    count: (more: number) => {
      bytes += more;
    },
    row: (row: RawRow, place: () => string) => void (isOpen() && rows.push({ row, place: place() })),
    problem: (message: string, place?: string, hint?: string) =>
      void problems.push({ message, ...(place && { place }), ...(hint && { hint }) }),
  };
  await read(file, sink, columns);
  return { bytes, rows, problems };
}
