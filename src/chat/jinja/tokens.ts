/** The tokens of a template, as Jinja's lexer finds them with trim_blocks and lstrip_blocks. */
import { JinjaError } from './budget.js';
import { isSpace, pythonTrimEnd, spaces } from './python-text.js';

/** A token: its kind (the text itself for operators), its value, and the line it stands on. */
export interface Token {
  readonly kind: string;
  readonly value: string;
  readonly line: number;
}

const space = `[${spaces}]`;
const sticky = (source: string): RegExp => new RegExp(source, 'suy');

const opening = sticky(
  `(.*?)(?:(?<raw>\\{%([-+]?)${space}*raw${space}*(?:-%\\}${space}*|%\\}))|(?<tag>\\{%|\\{\\{|\\{#)([-+]?))`,
);
const rawEnd = sticky(`(.*?)\\{%([-+]?)${space}*endraw${space}*(?:\\+%\\}|-%\\}${space}*|%\\}\\n?)`);
const commentEnd = sticky(`.*?(?:\\+#\\}|-#\\}${space}*|#\\}\\n?)`);
const blockEnd = sticky(`\\+%\\}|-%\\}${space}*|%\\}\\n?`);
const variableEnd = sticky(`-\\}\\}${space}*|\\}\\}`);

/** The kinds of tokens within a tag, in the order in which they are tried. */
const inTag: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['space', sticky(`${space}+`)],
  ['float', sticky('(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][+\\-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)')],
  ['integer', sticky('0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\\da-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*')],
  ['name', sticky('[\\p{L}\\p{N}\\p{M}_\\u00b7]+')],
  ['string', sticky(`'(?:[^'\\\\]*(?:\\\\.[^'\\\\]*)*)'|"(?:[^"\\\\]*(?:\\\\.[^"\\\\]*)*)"`)],
  ['operator', sticky('//|\\*\\*|==|!=|<=|>=|[+\\-*/%~()\\[\\]{}<>=.:|,;]')],
];

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

const identifier = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}·]*$/u;

class Lexer {
  readonly tokens: Token[] = [];
  private at = 0;
  private line = 1;
  private lineBegins = true;

  constructor(private readonly source: string) {}

  run(): readonly Token[] {
    while (this.at < this.source.length) this.readText();
    this.push('end', '');
    return this.tokens;
  }

  /** Reads text up to the next tag, and the tag. */
  private readText(): void {
    const found = this.match(opening);
    if (found === null) {
      this.push('data', this.source.slice(this.at));
      this.at = this.source.length;
      return;
    }
    const [whole, text = '', , rawSign, , tagSign] = found;
    const { raw, tag = '' } = found.groups ?? {};
    const shown = this.stripped(text, rawSign ?? tagSign ?? '', tag === '{{');
    if (shown !== '') this.push('data', shown);
    this.advance(whole);
    if (raw !== undefined) this.readRaw();
    else if (tag === '{#') this.readComment();
    else this.readTag(tag === '{%' ? 'block' : 'variable', tag === '{%' ? blockEnd : variableEnd);
  }

  /** `-` takes all white space away; a block alone on its line takes the indentation. */
  private stripped(text: string, sign: string, isVariable: boolean): string {
    if (sign === '-') return pythonTrimEnd(text);
    if (sign === '+' || isVariable) return text;
    const lineStart = text.lastIndexOf('\n') + 1;
    const indentation = text.slice(lineStart);
    const strips = (lineStart > 0 || this.lineBegins) && indentation !== '' && isSpace(indentation);
    return strips ? text.slice(0, lineStart) : text;
  }

  private readRaw(): void {
    const found = this.match(rawEnd);
    if (found === null) throw this.wrong('Missing end of raw directive');
    const text = this.stripped(found[1] ?? '', found[2] ?? '', false);
    if (text !== '') this.push('data', text);
    this.advance(found[0]);
  }

  private readComment(): void {
    const found = this.match(commentEnd);
    if (found === null) throw this.wrong('Missing end of comment tag');
    this.advance(found[0]);
  }

  private readTag(kind: string, end: RegExp): void {
    this.push(`${kind}_begin`, '');
    const open: string[] = [];
    while (this.at < this.source.length) {
      const ended = open.length === 0 ? this.match(end) : null;
      if (ended !== null) {
        this.push(`${kind}_end`, '');
        this.advance(ended[0]);
        return;
      }
      this.readInTag(open);
    }
  }

  private readInTag(open: string[]): void {
    for (const [kind, pattern] of inTag) {
      const value = this.match(pattern)?.[0];
      if (value === undefined) continue;
      if (kind === 'operator') this.balance(open, value);
      if (kind === 'name' && !identifier.test(value)) throw this.wrong('Invalid character in identifier');
      if (kind !== 'space') this.push(kind === 'operator' ? value : kind, value);
      this.advance(value);
      return;
    }
    throw this.wrong(`unexpected char '${String.fromCodePoint(this.source.codePointAt(this.at) ?? 0)}' at ${this.at}`);
  }

  private balance(open: string[], value: string): void {
    const closes = closing[value];
    if (closes !== undefined) open.push(closes);
    if (value !== ')' && value !== ']' && value !== '}') return;
    const expected = open.pop();
    if (expected === undefined) throw this.wrong(`unexpected '${value}'`);
    if (expected !== value) throw this.wrong(`unexpected '${value}', expected '${expected}'`);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source);
  }

  private advance(text: string): void {
    this.at += text.length;
    this.line += text.split('\n').length - 1;
    this.lineBegins = text.endsWith('\n');
  }

  private push(kind: string, value: string): void {
    this.tokens.push({ kind, value, line: this.line });
  }

  private wrong(message: string): JinjaError {
    return new JinjaError(`${message} (line ${this.line})`);
  }
}

/** The template with `\n` for every line end, and without its last one. */
export function normaliseLines(template: string): string {
  const lines = template.replace(/\r\n?/g, '\n');
  return lines.endsWith('\n') ? lines.slice(0, -1) : lines;
}

/** Finds the tokens. @throws JinjaError. */
export function tokenize(template: string): readonly Token[] {
  return new Lexer(normaliseLines(template)).run();
}
