/** The tokens of a template, read one after the other. */
import { JinjaError } from './budget.js';
import type { Token } from './tokens.js';

export class TokenStream {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  get current(): Token {
    return this.tokens[this.at] as Token;
  }

  /** True where the current token is of this kind; for names, where it is this name. */
  is(kind: string, name?: string): boolean {
    return this.current.kind === kind && (name === undefined || this.current.value === name);
  }

  /** True where the token behind the current one is of this kind. */
  nextIs(kind: string, name?: string): boolean {
    const next = this.tokens[this.at + 1];
    return next?.kind === kind && (name === undefined || next.value === name);
  }

  take(): Token {
    const { current } = this;
    if (current.kind !== 'end') this.at++;
    return current;
  }

  /** Takes the token if it is of this kind. */
  skip(kind: string, name?: string): boolean {
    const found = this.is(kind, name);
    if (found) this.take();
    return found;
  }

  expect(kind: string, name?: string): Token {
    if (this.is(kind, name)) return this.take();
    const found =
      this.current.kind === 'end' ? 'the end of the template' : `'${this.current.value || this.current.kind}'`;
    throw this.wrong(`expected '${name ?? kind}', found ${found}`);
  }

  wrong(message: string): JinjaError {
    return new JinjaError(`${message} (line ${this.current.line})`);
  }
}
