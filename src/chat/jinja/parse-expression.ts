/** Parses expressions, in the order of Jinja's parser. */
import { unsupported } from './budget.js';
import type { CallArguments, Expression, Filter } from './nodes.js';
import type { TokenStream } from './token-stream.js';

const comparisons = ['==', '!=', '<', '<=', '>', '>='];

/** A literal of a text, without its quotes. */
function literalText(literal: string): string {
  const escapes = /\\(?:\n|([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g;
  return literal.slice(1, -1).replace(escapes, (whole, octal, byte, short, long, letter: string | undefined) => {
    if (whole === '\\\n') return '';
    if (letter !== undefined) return unescapeLetter(letter);
    const code = octal === undefined ? Number.parseInt(byte ?? short ?? long, 16) : Number.parseInt(octal, 8);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) unsupported(`the character ${whole}`);
    return String.fromCodePoint(code);
  });
}

const letters: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unescapeLetter(letter: string): string {
  if (['N', 'x', 'u', 'U'].includes(letter)) unsupported(`the escape \\${letter}`);
  return letters[letter] ?? `\\${letter}`;
}

/** How a tuple without parentheses is read. */
export interface TupleForm {
  readonly withChoice?: boolean;
  /** Names that end it. */
  readonly until?: string;
  readonly inParentheses?: boolean;
}

export class ExpressionParser {
  constructor(readonly stream: TokenStream) {}

  /** One expression, or several between commas, which are a tuple. */
  tuple({ withChoice = true, until, inParentheses = false }: TupleForm = {}): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!this.endsTuple(until)) {
      items.push(withChoice ? this.expression() : this.or());
      if (!this.stream.skip(',')) break;
      isTuple = true;
    }
    const [first] = items;
    if (!isTuple && first !== undefined) return first;
    if (!isTuple && !inParentheses)
      throw this.stream.wrong(`expected an expression, got '${this.stream.current.kind}'`);
    return { kind: 'tuple', items };
  }

  private endsTuple(until: string | undefined): boolean {
    const { stream } = this;
    if (stream.is('variable_end') || stream.is('block_end') || stream.is(')')) return true;
    return until !== undefined && stream.is('name', until);
  }

  expression(): Expression {
    let left = this.or();
    while (this.stream.skip('name', 'if')) {
      const test = this.or();
      const otherwise = this.stream.skip('name', 'else') ? this.expression() : undefined;
      left = { kind: 'choice', test, value: left, otherwise };
    }
    return left;
  }

  or(): Expression {
    let left = this.and();
    while (this.stream.skip('name', 'or')) left = { kind: 'or', left, right: this.and() };
    return left;
  }

  private and(): Expression {
    let left = this.not();
    while (this.stream.skip('name', 'and')) left = { kind: 'and', left, right: this.not() };
    return left;
  }

  private not(): Expression {
    return this.stream.skip('name', 'not') ? { kind: 'not', of: this.not() } : this.comparison();
  }

  private comparison(): Expression {
    const first = this.sum();
    const rest: [string, Expression][] = [];
    for (let operator = this.comparator(); operator !== undefined; operator = this.comparator()) {
      rest.push([operator, this.sum()]);
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest };
  }

  private comparator(): string | undefined {
    const { stream } = this;
    if (comparisons.includes(stream.current.kind)) return stream.take().kind;
    if (stream.skip('name', 'in')) return 'in';
    if (!stream.is('name', 'not') || !stream.nextIs('name', 'in')) return undefined;
    stream.take();
    stream.take();
    return 'not in';
  }

  private binary(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (operators.includes(this.stream.current.kind)) {
      left = { kind: 'arithmetic', operator: this.stream.take().kind, left, right: operand() };
    }
    return left;
  }

  private sum(): Expression {
    return this.binary(['+', '-'], () => this.concatenation());
  }

  private concatenation(): Expression {
    const first = this.product();
    const items = [first];
    while (this.stream.skip('~')) items.push(this.product());
    return items.length === 1 ? first : { kind: 'concat', items };
  }

  private product(): Expression {
    return this.binary(['*', '/', '//', '%'], () => this.binary(['**'], () => this.unary(true)));
  }

  private unary(withFilters: boolean): Expression {
    const { stream } = this;
    const isSigned = stream.is('-') || stream.is('+');
    const first: Expression = isSigned
      ? { kind: 'sign', operator: stream.take().kind, of: this.unary(false) }
      : this.primary();
    const value = this.postfix(first);
    return withFilters ? this.filtersAndTests(value) : value;
  }

  primary(): Expression {
    const { stream } = this;
    const { kind, value } = stream.current;
    if (kind === '[') return this.list();
    if (kind === '{') return this.dict();
    if (!['name', 'string', 'integer', 'float', '('].includes(kind)) {
      throw stream.wrong(kind === 'end' ? 'unexpected end of the template' : `unexpected '${value || kind}'`);
    }
    stream.take();
    if (kind === 'name') return this.named(value);
    if (kind === 'string') return { kind: 'constant', value: this.strings(value) };
    if (kind === 'integer') return { kind: 'constant', value: BigInt(value.replaceAll('_', '')) };
    if (kind === 'float') return { kind: 'constant', value: Number(value.replaceAll('_', '')) };
    const inner = this.tuple({ inParentheses: true });
    stream.expect(')');
    return inner;
  }

  private named(name: string): Expression {
    if (['true', 'True', 'false', 'False'].includes(name))
      return { kind: 'constant', value: name.toLowerCase() === 'true' };
    if (name === 'none' || name === 'None') return { kind: 'constant', value: null };
    return { kind: 'name', name };
  }

  /** Texts that follow one another are one text. */
  private strings(first: string): string {
    let text = literalText(first);
    while (this.stream.is('string')) text += literalText(this.stream.take().value);
    return text;
  }

  /** Members between commas; the last comma may stand alone. */
  private members<Member>(close: string, read: () => Member): Member[] {
    const found: Member[] = [];
    while (!this.stream.is(close)) {
      if (found.length > 0) this.stream.expect(',');
      if (this.stream.is(close)) break;
      found.push(read());
    }
    this.stream.expect(close);
    return found;
  }

  private list(): Expression {
    this.stream.expect('[');
    return { kind: 'list', items: this.members(']', () => this.expression()) };
  }

  private dict(): Expression {
    this.stream.expect('{');
    const items = this.members('}', (): [Expression, Expression] => {
      const key = this.expression();
      this.stream.expect(':');
      return [key, this.expression()];
    });
    return { kind: 'dict', items };
  }

  postfix(of: Expression): Expression {
    const { stream } = this;
    if (stream.is('.')) return this.postfix(this.attribute(of));
    if (stream.is('[')) return this.postfix(this.subscript(of));
    return stream.is('(') ? this.postfix({ kind: 'call', of, args: this.callArguments() }) : of;
  }

  private filtersAndTests(of: Expression): Expression {
    const { stream } = this;
    if (stream.is('|')) return this.filtersAndTests(this.filter(of));
    if (stream.is('name', 'is')) return this.filtersAndTests(this.test(of));
    return stream.is('(') ? this.filtersAndTests({ kind: 'call', of, args: this.callArguments() }) : of;
  }

  private attribute(of: Expression): Expression {
    this.stream.expect('.');
    const { kind, value } = this.stream.take();
    if (kind === 'name') return { kind: 'attribute', of, name: value };
    if (kind !== 'integer') throw this.stream.wrong('expected name or number');
    return { kind: 'item', of, key: { kind: 'constant', value: BigInt(value) } };
  }

  private subscript(of: Expression): Expression {
    this.stream.expect('[');
    const { stream } = this;
    const start = stream.is(':') ? undefined : this.expression();
    if (stream.is(']') && start !== undefined) {
      stream.take();
      return { kind: 'item', of, key: start };
    }
    if (stream.is(',')) return unsupported('a tuple as a key');
    stream.expect(':');
    const part = (): Expression | undefined => (stream.is(':') || stream.is(']') ? undefined : this.expression());
    const stop = part();
    const step = stream.skip(':') ? part() : undefined;
    stream.expect(']');
    return { kind: 'slice', of, start, stop, step };
  }

  callArguments(): CallArguments {
    const { stream } = this;
    stream.expect('(');
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    const dynamic: { list?: Expression; dict?: Expression } = {};
    const require = (holds: boolean): void => {
      if (!holds) throw stream.wrong('invalid syntax for function call expression');
    };
    this.members(')', () => {
      require(dynamic.dict === undefined);
      if (stream.skip('*')) {
        require(dynamic.list === undefined);
        dynamic.list = this.expression();
      } else if (stream.skip('**')) dynamic.dict = this.expression();
      else if (stream.is('name') && stream.nextIs('=')) {
        const name = stream.take().value;
        stream.take();
        named.push([name, this.expression()]);
      } else {
        require(dynamic.list === undefined && named.length === 0);
        positional.push(this.expression());
      }
    });
    return { positional, named, list: dynamic.list, dict: dynamic.dict };
  }

  private dottedName(): string {
    let name = this.stream.expect('name').value;
    while (this.stream.skip('.')) name += `.${this.stream.expect('name').value}`;
    return name;
  }

  private optionalArguments(): CallArguments {
    if (this.stream.is('(')) return this.callArguments();
    return { positional: [], named: [], list: undefined, dict: undefined };
  }

  private filter(of: Expression): Filter {
    this.stream.expect('|');
    return { kind: 'filter', of, name: this.dottedName(), args: this.optionalArguments() };
  }

  /** The filters of a block; the first one stands without a bar where `begins`. */
  blockFilter(begins: boolean): Filter | undefined {
    let filter: Filter | undefined;
    if (begins) filter = { kind: 'filter', of: undefined, name: this.dottedName(), args: this.optionalArguments() };
    while (this.stream.skip('|')) {
      filter = { kind: 'filter', of: filter, name: this.dottedName(), args: this.optionalArguments() };
    }
    return filter;
  }

  private test(of: Expression): Expression {
    const { stream } = this;
    stream.expect('name', 'is');
    const isNegated = stream.skip('name', 'not');
    const name = this.dottedName();
    const test: Expression = { kind: 'test', of, name, args: this.testArguments() };
    return isNegated ? { kind: 'not', of: test } : test;
  }

  /** A test may have one argument without parentheses. */
  private testArguments(): CallArguments {
    const { stream } = this;
    if (stream.is('(')) return this.callArguments();
    const begins = ['name', 'string', 'integer', 'float', '[', '{'].includes(stream.current.kind);
    const ends = ['else', 'or', 'and'].some((name) => stream.is('name', name));
    if (!begins || ends) return { positional: [], named: [], list: undefined, dict: undefined };
    if (stream.is('name', 'is')) throw stream.wrong('You cannot chain multiple tests with is');
    return { positional: [this.postfix(this.primary())], named: [], list: undefined, dict: undefined };
  }
}
