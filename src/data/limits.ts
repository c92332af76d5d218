/** Limits of a data file: generous for a data set, small compared to a machine's memory. */

/** The limits that `loadData` applies to untrusted files; sizes in bytes. */
export interface DataLimits {
  /** Longest line of JSON, largest record of CSV. */
  readonly recordBytes: number;
  /** Decoded bytes of all files together, about the memory that they take. */
  readonly totalBytes: number;
  /** Rows of all files together. */
  readonly rows: number;
  /** Values of one Parquet row group over all its columns: a few bytes can encode millions of values. */
  readonly groupValues: number;
  /** Nesting depth of a value's containers. */
  readonly depth: number;
  /** Problems that are collected before reading stops. */
  readonly problems: number;
}

/** The default limits of `loadData`: 16 MiB per record, 4 GiB and 10 million rows in all, 20 problems. */
export const defaultLimits: DataLimits = {
  recordBytes: 16 * 2 ** 20,
  totalBytes: 4 * 2 ** 30,
  rows: 10_000_000,
  groupValues: 50_000_000,
  depth: 64,
  problems: 20,
};
