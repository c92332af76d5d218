/** Where readers put rows and problems; it knows when enough was seen of either. */
import { DataError, type DataProblem } from '../errors.js';
import type { DataLimits } from './limits.js';

/** A row as the file holds it: column names and plain values. */
export type RawRow = Readonly<Record<string, unknown>>;

/** What a row becomes; a text says why it cannot be one. */
export type Convert<Row> = (row: RawRow, add: (message: string, hint?: string) => void) => Row | undefined;

export interface RowSink {
  /** False once reading any further is in vain. */
  readonly open: boolean;
  /** True once anything was wrong with this file. */
  readonly troubled: boolean;
  readonly limits: DataLimits;
  /** Takes the row at `place`; it is asked for its name only when something is wrong there. */
  row(row: RawRow, place: () => string): void;
  /** Counts decoded bytes against the limit of all files. */
  count(bytes: number): void;
  /** Something is wrong at `place`, or with the whole file. */
  problem(message: string, place?: string, hint?: string): void;
}

export class Collector<Row> {
  private readonly problems: DataProblem[] = [];
  private bytes = 0;
  private rows = 0;
  private full = false;

  constructor(readonly limits: DataLimits) {}

  get open(): boolean {
    return !this.full;
  }

  /** The sink of one file, whose rows go to `rows`. */
  sinkOf(file: string, convert: Convert<Row>, rows: Row[]): RowSink {
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

  /** @throws DataError when there was any problem. */
  finish(): void {
    if (this.problems.length > 0) throw new DataError(this.problems, this.full);
  }

  private countBytes(bytes: number, problem: RowSink['problem']): void {
    this.bytes += bytes;
    if (this.bytes > this.limits.totalBytes) this.stop(problem, `more than ${this.limits.totalBytes} bytes of data`);
  }

  private stop(problem: RowSink['problem'], what: string): void {
    if (this.full) return;
    problem(what, undefined, 'train on a part of it: data.limit, or fewer files');
    this.full = true;
  }
}
