/** Parses templates: statements, and the text between them. */
import { JinjaError, unsupported } from './budget.js';
import type { CallArguments, Expression, Filter, Signature, Statement, Target } from './nodes.js';
import { ExpressionParser } from './parse-expression.js';
import { checkTemplate } from './template-checks.js';
import { TokenStream } from './token-stream.js';
import { tokenize } from './tokens.js';

/** Tags that need other files, which a chat template does not have, or HTML. */
const refusedTags = ['autoescape', 'block', 'extends', 'from', 'import', 'include'];

class Parser {
  private readonly expressions: ExpressionParser;

  constructor(private readonly stream: TokenStream) {
    this.expressions = new ExpressionParser(stream);
  }

  template(): readonly Statement[] {
    const body = this.statements([]);
    if (!this.stream.is('end')) throw this.stream.wrong(`unexpected '${this.stream.current.value}'`);
    return body;
  }

  /** Statements up to one of the tags, whose name is then the current token. */
  private statements(until: readonly string[]): readonly Statement[] {
    const { stream } = this;
    const found: Statement[] = [];
    for (;;) {
      if (stream.is('data')) found.push({ kind: 'text', text: stream.take().value });
      else if (stream.skip('variable_begin')) {
        found.push({ kind: 'output', of: this.expressions.tuple() });
        stream.expect('variable_end');
      } else if (stream.skip('block_begin')) {
        if (until.some((name) => stream.is('name', name))) return found;
        found.push(...this.statement());
        stream.expect('block_end');
      } else if (until.length === 0) return found;
      else
        throw stream.wrong(`Unexpected end of template; looking for ${until.map((name) => `'${name}'`).join(' or ')}`);
    }
  }

  /** The body of a tag up to the tag that ends it, which is taken. */
  private body(...until: readonly string[]): [body: readonly Statement[], end: string] {
    this.stream.skip(':');
    this.stream.expect('block_end');
    const body = this.statements(until);
    return [body, this.stream.take().value];
  }

  private statement(): readonly Statement[] {
    const { value: tag } = this.stream.expect('name');
    if (refusedTags.includes(tag)) unsupported(`the tag \`${tag}\``);
    switch (tag) {
      case 'for':
        return [this.forLoop()];
      case 'if':
        return [this.condition()];
      case 'set':
        return [this.assignment()];
      case 'with':
        return [this.scope()];
      case 'macro':
        return [this.macro()];
      case 'call':
        return [this.callBlock()];
      case 'filter':
        return [this.filterBlock()];
      case 'print':
        return this.print();
      case 'generation':
        return [
          { kind: 'call-block', call: undefined, parameters: [], defaults: [], body: this.body('endgeneration')[0] },
        ];
      case 'break':
      case 'continue':
        return [{ kind: tag }];
      default:
        throw this.stream.wrong(`Encountered unknown tag '${tag}'`);
    }
  }

  private forLoop(): Statement {
    const { stream } = this;
    const target = this.target('in', false);
    stream.expect('name', 'in');
    const of = this.expressions.tuple({ withChoice: false, until: 'recursive' });
    const test = stream.skip('name', 'if') ? this.expressions.expression() : undefined;
    const recursive = stream.skip('name', 'recursive');
    const [body, end] = this.body('endfor', 'else');
    const otherwise = end === 'else' ? this.body('endfor')[0] : [];
    return { kind: 'for', target, of, test, recursive, body, otherwise };
  }

  private condition(): Statement {
    const branches: [Expression, readonly Statement[]][] = [];
    for (;;) {
      const test = this.expressions.tuple({ withChoice: false });
      const [body, end] = this.body('elif', 'else', 'endif');
      branches.push([test, body]);
      if (end === 'elif') continue;
      return { kind: 'if', branches, otherwise: end === 'else' ? this.body('endif')[0] : [] };
    }
  }

  private assignment(): Statement {
    const target = this.target(undefined, true);
    if (this.stream.skip('=')) return { kind: 'set', target, value: this.expressions.tuple() };
    const filter = this.expressions.blockFilter(false);
    return { kind: 'set-block', target, filter, body: this.body('endset')[0] };
  }

  private scope(): Statement {
    const assignments: [Target, Expression][] = [];
    while (!this.stream.is('block_end')) {
      if (assignments.length > 0) this.stream.expect(',');
      const target = this.target(undefined, false);
      this.stream.expect('=');
      assignments.push([target, this.expressions.expression()]);
    }
    return { kind: 'with', assignments, body: this.body('endwith')[0] };
  }

  private macro(): Statement {
    const name = this.stream.expect('name').value;
    const signature = this.signature();
    return { kind: 'macro', name, ...signature, body: this.body('endmacro')[0] };
  }

  private signature(): Signature {
    const { stream } = this;
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    stream.expect('(');
    while (!stream.is(')')) {
      if (parameters.length > 0) stream.expect(',');
      parameters.push(this.assignable(stream.expect('name').value));
      if (stream.skip('=')) defaults.push(this.expressions.expression());
      else if (defaults.length > 0) throw stream.wrong('non-default argument follows default argument');
    }
    stream.expect(')');
    return { parameters, defaults };
  }

  private callBlock(): Statement {
    const signature = this.stream.is('(') ? this.signature() : { parameters: [], defaults: [] };
    const call = this.expressions.expression();
    if (call.kind !== 'call') throw this.stream.wrong('expected call');
    const args: CallArguments = call.args;
    return { kind: 'call-block', call: { of: call.of, args }, ...signature, body: this.body('endcall')[0] };
  }

  private filterBlock(): Statement {
    const filter = this.expressions.blockFilter(true) as Filter;
    return { kind: 'filter-block', filter, body: this.body('endfilter')[0] };
  }

  private print(): readonly Statement[] {
    const outputs: Statement[] = [];
    while (!this.stream.is('block_end')) {
      if (outputs.length > 0) this.stream.expect(',');
      outputs.push({ kind: 'output', of: this.expressions.expression() });
    }
    return outputs;
  }

  private assignable(name: string): string {
    const constants = ['true', 'false', 'none', 'True', 'False', 'None'];
    if (constants.includes(name)) throw this.stream.wrong(`can't assign to '${name}'`);
    return name;
  }

  /** A name, a member of a namespace where allowed, or several of them. */
  private target(until: string | undefined, withMembers: boolean): Target {
    const items: Target[] = [];
    let isTuple = false;
    const ends = (): boolean =>
      ['block_end', ')', '='].some((kind) => this.stream.is(kind)) ||
      (until !== undefined && this.stream.is('name', until));
    while (!ends()) {
      items.push(this.oneTarget(withMembers));
      if (!this.stream.skip(',')) break;
      isTuple = true;
    }
    const [first] = items;
    if (first === undefined) throw this.stream.wrong('expected a name to assign to');
    return isTuple ? { kind: 'tuple', items } : first;
  }

  private oneTarget(withMembers: boolean): Target {
    const { stream } = this;
    if (stream.skip('(')) {
      const inner = this.target(undefined, withMembers);
      stream.expect(')');
      return inner;
    }
    const name = this.assignable(stream.expect('name').value);
    if (!withMembers || !stream.skip('.')) return { kind: 'name', name };
    return { kind: 'member', name, attribute: stream.expect('name').value };
  }
}

/** Parses a template. @throws JinjaError. */
export function parseTemplate(template: string): readonly Statement[] {
  try {
    const body = new Parser(new TokenStream(tokenize(template))).template();
    checkTemplate(body);
    return body;
  } catch (error) {
    if (error instanceof RangeError) throw new JinjaError('it is nested too deep');
    throw error;
  }
}
