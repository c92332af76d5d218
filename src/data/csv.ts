/**
 * Reads CSV and TSV as Python's csv does: the first record names the columns, every value is text, and a record ends at
 * `\n`, `\r\n` or `\r`, in any mixture. Quotes count at the beginning of a value only, and `""` within them is one quote.
 */
import { isUtf8 } from 'node:buffer';
import { readBytes, reportUnreadable, UnreadableFile } from './bytes.js';
import type { RowSink } from './sink.js';
import { uniqueNames } from './unique-names.js';

/** Names the columns as pandas does: one without a name is `Unnamed: 0`, the second `a` is `a.1`. */
function columnNames(record: readonly string[]): readonly string[] {
  return uniqueNames(record.map((name, at) => (name === '' ? `Unnamed: ${at}` : name)));
}

type State = 'record' | 'value' | 'plain' | 'quoted' | 'quote';

/** Characters that end a plain run of a value. */
const special = (delimiter: string): RegExp => new RegExp(`[${delimiter}\\r\\n]`, 'g');

/** Splits chunks of text into records. A value within quotes may hold delimiters and line ends. */
class CsvParser {
  private state: State = 'record';
  private record: string[] = [];
  private value = '';
  private size = 0;
  private afterReturn = false;
  /** The line that is read, from 1, and the one on which its record begins. */
  private line = 1;
  private firstLine = 1;
  private readonly ends: RegExp;

  constructor(
    private readonly delimiter: string,
    private readonly most: number,
    private readonly onRecord: (record: readonly string[], place: string) => void,
  ) {
    this.ends = special(delimiter);
  }

  read(text: string): void {
    for (let at = 0; at < text.length; )
      at = this.state === 'quoted' ? this.readQuoted(text, at) : this.readPlain(text, at);
  }

  /** Ends the last record; returns false when the text ends within quotes. */
  end(): boolean {
    if (this.state === 'quoted') return false;
    if (this.state !== 'record') this.endRecord();
    return true;
  }

  /** The line on which the record begins that is read. */
  get place(): string {
    return `line ${this.firstLine}`;
  }

  /** Takes the text of a value up to its closing quote, or to the end of the chunk. */
  private readQuoted(text: string, at: number): number {
    let end = text.indexOf('"', at);
    while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    const part = text.slice(at, end < 0 ? text.length : end);
    this.countLines(part);
    this.append(part.includes('"') ? part.replace(/""/g, '"') : part);
    if (end < 0) return text.length;
    this.afterReturn = false;
    this.state = 'quote';
    return end + 1;
  }

  private readPlain(text: string, at: number): number {
    const character = text[at];
    if (character === '\n' || character === '\r') return this.readLineEnd(character, at);
    this.afterReturn = false;
    if (this.state === 'record') this.firstLine = this.line;
    if (character === this.delimiter) this.endValue();
    else if (character === '"' && this.state !== 'plain') return this.readQuote(at);
    else return this.readRun(text, at);
    return at + 1;
  }

  /** A quote opens a value at its beginning; behind the closing one it stands for itself, and the value goes on. */
  private readQuote(at: number): number {
    if (this.state === 'quote') this.append('"');
    this.state = 'quoted';
    return at + 1;
  }

  private readRun(text: string, at: number): number {
    this.ends.lastIndex = at;
    const end = this.ends.exec(text)?.index ?? text.length;
    this.append(text.slice(at, end));
    this.state = 'plain';
    return end;
  }

  private readLineEnd(character: string, at: number): number {
    const isSecond = character === '\n' && this.afterReturn;
    this.afterReturn = character === '\r';
    if (isSecond) return at + 1;
    if (this.state !== 'record') this.endRecord();
    this.line += 1;
    return at + 1;
  }

  private countLines(text: string): void {
    if (this.afterReturn && text.startsWith('\n')) this.line -= 1;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.line += 1;
    for (let at = text.indexOf('\r'); at >= 0; at = text.indexOf('\r', at + 1))
      if (text[at + 1] !== '\n') this.line += 1;
    // A `\r` at the end of a chunk may belong to the `\n` that begins the next one.
    if (text !== '') this.afterReturn = text.endsWith('\r');
  }

  private append(text: string): void {
    this.grow(text.length);
    this.value += text;
  }

  private endValue(): void {
    this.grow(1);
    this.record.push(this.value);
    this.value = '';
    this.state = 'value';
  }

  private endRecord(): void {
    this.record.push(this.value);
    // A slice keeps the whole chunk of text in memory: copies take a quarter of it, and half the time.
    this.onRecord(JSON.parse(JSON.stringify(this.record)) as string[], this.place);
    this.record = [];
    this.value = '';
    this.size = 0;
    this.state = 'record';
  }

  private grow(characters: number): void {
    this.size += characters;
    if (this.size > this.most) throw new UnreadableFile('has a line that is too long for a row');
  }
}

/** Returns a function that takes records: the first names the columns, the others are rows. */
function rowsOf(sink: RowSink): (record: readonly string[], place: string) => void {
  let columns: readonly string[] | undefined;
  return (record, place) => {
    if (!sink.open) return;
    if (columns === undefined) columns = columnNames(record);
    else if (record.length !== columns.length)
      sink.problem(`has ${record.length} values, the first line names ${columns.length} columns`, place);
    else sink.row(Object.fromEntries(columns.map((name, at) => [name, record[at]])), () => place);
  };
}

/** Bytes at the end of a chunk that begin a character and do not complete it. */
function incompleteBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}

/** Decodes a chunk. The decoder of the web makes texts of two bytes a letter, which the values would keep in memory. */
function decodeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UnreadableFile('is not valid UTF-8', 'save the file as UTF-8');
  return bytes.toString('utf8');
}

async function readRecords(file: string, sink: RowSink, parser: CsvParser): Promise<void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of readBytes(file)) {
    sink.count(chunk.length);
    if (!sink.open) return;
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = bytes.length - incompleteBytes(bytes);
    rest = Buffer.from(bytes.subarray(whole));
    parser.read(decodeText(bytes.subarray(0, whole)));
  }
  parser.read(decodeText(rest));
  if (!parser.end()) sink.problem('a quoted value is never closed', parser.place);
}

/** Reads a CSV or TSV file into the sink. */
export async function readCsv(file: string, sink: RowSink, delimiter = ','): Promise<void> {
  const parser = new CsvParser(delimiter, sink.limits.recordBytes, rowsOf(sink));
  await reportUnreadable(sink, () => readRecords(file, sink, parser));
}
