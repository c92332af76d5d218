/** Collects rows and problems from readers, and closes when a limit is reached. */
import { DataError, type DataProblem } from '../errors.js';
import type { DataLimits } from './limits.js';

/** A row of the file: plain values by column name. */
export type RawRow = Readonly<Record<string, unknown>>;

/** Converts a row; calls `add` and returns undefined where it is invalid. */
export type Convert<Row> = (row: RawRow, add: (message: string, hint?: string) => void) => Row | undefined;

export interface RowSink {
  /** False once a limit is reached, so that reading stops. */
  readonly open: boolean;
  /** True once this file has a problem. */
  readonly troubled: boolean;
  readonly limits: DataLimits;
  /** Adds a row; `place` is called only when the row has a problem. */
  row(row: RawRow, place: () => string): void;
  /** Adds decoded bytes to the total of all files. */
  count(bytes: number): void;
  /** Reports a problem at `place`, or of the whole file. */
  problem(message: string, place?: string, hint?: string): void;
}

/** Reads a file's rows and problems into the sink. `columns` are the columns in use; undefined reads all. */
export type Reader = (file: string, sink: RowSink, columns?: readonly string[]) => Promise<void>;

export class Collector<Row> {
  private readonly problems: DataProblem[] = [];
  private bytes = 0;
  private rows = 0;
  private full = false;

  constructor(readonly limits: DataLimits) {}

  get open(): boolean {
    return !this.full;
  }

  /** Creates the sink of one file, which appends to `rows`. */
  createSink(file: string, convert: Convert<Row>, rows: Row[]): RowSink {
    const collector = this;
    let troubled = false;
    const problem: RowSink['problem'] = (message, place, hint) => {
      troubled = true;
      this.add({ file, message, ...(place && { place }), ...(hint && { hint }) });
    };
    return {
      limits: this.limits,
      get open() {
        return collector.open;
      },
      get troubled() {
        return troubled;
      },
      problem,
      count: (bytes) => this.countBytes(bytes, problem),
      row: (raw, place) => {
        if (++this.rows > this.limits.rows) this.stop(problem, `more than ${this.limits.rows} rows`);
        const row = this.full ? undefined : convert(raw, (message, hint) => problem(message, place(), hint));
        if (row !== undefined) rows.push(row);
      },
    };
  }

  add(problem: DataProblem): void {
    if (this.problems.length < this.limits.problems) this.problems.push(problem);
    this.full ||= this.problems.length >= this.limits.problems;
  }

  /** @throws DataError when there is any problem. */
  finish(): void {
    if (this.problems.length > 0) throw new DataError(this.problems, this.full);
  }

  private countBytes(bytes: number, problem: RowSink['problem']): void {
    this.bytes += bytes;
    if (this.bytes > this.limits.totalBytes) this.stop(problem, `more than ${this.limits.totalBytes} bytes of data`);
  }

  private stop(problem: RowSink['problem'], reason: string): void {
    if (this.full) return;
    problem(reason, undefined, 'train on a part of the data: set data.limit, or name fewer files');
    this.full = true;
  }
}
