/** What a data file may cost before it is refused: generous for a data set, small beside a machine. */

export interface DataLimits {
  /** Longest line of JSON, largest record of CSV. */
  readonly recordBytes: number;
  /** Decoded bytes of all files together: what will lie in memory, roughly. */
  readonly totalBytes: number;
  /** Rows of all files together. */
  readonly rows: number;
  /** Values of one row group of Parquet, over all its columns: a few bytes can stand for millions of them. */
  readonly groupValues: number;
  /** Containers within containers of a value. */
  readonly depth: number;
  /** Problems collected before reading stops. */
  readonly problems: number;
}

export const defaultLimits: DataLimits = {
  recordBytes: 16 * 2 ** 20,
  totalBytes: 4 * 2 ** 30,
  rows: 10_000_000,
  groupValues: 50_000_000,
  depth: 64,
  problems: 20,
};
