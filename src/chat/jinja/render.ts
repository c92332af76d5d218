/** Renders templates as Python's Jinja does with the environment of transformers. */
import { type Budget, JinjaError, requireLength, startBudget, tick } from './budget.js';
import { callValue, evaluate, evaluateArguments, evaluateFilter } from './evaluate.js';
import { globalFunctions, requirePublicName } from './globals.js';
import { Loop } from './loop.js';
import type { CallBlock, For, Macro, Signature, Statement, Target } from './nodes.js';
import { parseTemplate } from './parse-template.js';
import { Scope } from './scope.js';
import { toText } from './show.js';
import { usedNames } from './template-checks.js';
import {
  type Arguments,
  Callable,
  Dict,
  Iteration,
  isTrue,
  iterate,
  listOf,
  Namespace,
  Tuple,
  Undefined,
  type Value,
} from './values.js';

/** The way on behind a statement. */
type Next = 'on' | 'break' | 'continue';

/** The text written so far. */
class Output {
  private readonly pieces: string[] = [];
  private length = 0;

  write(text: string): void {
    this.length += text.length;
    requireLength(this.length);
    this.pieces.push(text);
  }

  text(): string {
    return this.pieces.join('');
  }
}

function assign(target: Target, value: Value, scope: Scope): void {
  if (target.kind === 'name') scope.set(target.name, value);
  else if (target.kind === 'member') assignMember(target.name, target.attribute, value, scope);
  else {
    const items = listOf(value);
    const wanted = target.items.length;
    if (items.length !== wanted) {
      throw new JinjaError(
        items.length > wanted
          ? `too many values to unpack (expected ${wanted})`
          : `not enough values to unpack (expected ${wanted}, got ${items.length})`,
      );
    }
    for (const [at, one] of target.items.entries()) assign(one, items[at] as Value, scope);
  }
}

function assignMember(name: string, attribute: string, value: Value, scope: Scope): void {
  const namespace = scope.get(name);
  if (!(namespace instanceof Namespace)) throw new JinjaError('cannot assign attribute on non-namespace object');
  requirePublicName(attribute);
  namespace.attributes.set(attribute, value);
}

function runAll(body: readonly Statement[], scope: Scope, output: Output): Next {
  for (const statement of body) {
    const next = run(statement, scope, output);
    if (next !== 'on') return next;
  }
  return 'on';
}

function run(statement: Statement, scope: Scope, output: Output): Next {
  tick();
  switch (statement.kind) {
    case 'text':
      output.write(statement.text);
      return 'on';
    case 'output':
      output.write(toText(evaluate(statement.of, scope)));
      return 'on';
    case 'if':
      return runIf(statement, scope, output);
    case 'for':
      return runFor(statement, scope, output);
    case 'set':
      assign(statement.target, evaluate(statement.value, scope), scope);
      return 'on';
    case 'macro':
      scope.set(statement.name, makeMacro(statement.name, statement, scope));
      return 'on';
    case 'call-block':
      output.write(runCallBlock(statement, scope));
      return 'on';
    case 'break':
    case 'continue':
      return statement.kind;
    default:
      return runScoped(statement, scope, output);
  }
}

function runIf({ branches, otherwise }: Extract<Statement, { kind: 'if' }>, scope: Scope, output: Output): Next {
  for (const [test, body] of branches) {
    if (isTrue(evaluate(test, scope))) return runAll(body, scope, output);
  }
  return runAll(otherwise, scope, output);
}

/** Statements whose body has variables of its own. */
function runScoped(
  statement: Extract<Statement, { kind: 'with' | 'set-block' | 'filter-block' }>,
  scope: Scope,
  output: Output,
): Next {
  const inner = new Scope(scope);
  if (statement.kind === 'with') {
    for (const [target, value] of statement.assignments) assign(target, evaluate(value, scope), inner);
    return runAll(statement.body, inner, output);
  }
  const written = new Output();
  const next = runAll(statement.body, inner, written);
  if (next !== 'on') return next;
  const { filter } = statement;
  const value = filter === undefined ? written.text() : evaluateFilter(filter, inner, written.text());
  if (statement.kind === 'filter-block') output.write(toText(value));
  else assign(statement.target, value, scope);
  return 'on';
}

function runFor(statement: For, scope: Scope, output: Output): Next {
  if (!statement.recursive) return runLoop(statement, evaluate(statement.of, scope), 0, scope, output);
  output.write(recursion(statement, scope)(evaluate(statement.of, scope), 0));
  return 'on';
}

const recursion =
  (statement: For, scope: Scope) =>
  (value: Value, depth: number): string => {
    const written = new Output();
    runLoop(statement, value, depth, scope, written);
    return written.text();
  };

/** The items for which the test of a loop holds. */
function* tested({ target, test }: For, value: Value, scope: Scope): Generator<Value> {
  for (const item of iterate(value)) {
    const inner = new Scope(scope);
    inner.set(
      'loop',
      new Undefined(
        "'loop' is undefined. the filter section of a loop as well as the else block don't have access to the special 'loop' variable of the current loop.",
      ),
    );
    assign(target, item, inner);
    if (test === undefined || isTrue(evaluate(test, inner))) yield item;
  }
}

function runLoop(statement: For, value: Value, depth: number, scope: Scope, output: Output): Next {
  const { target, test, body, otherwise, recursive } = statement;
  const items = test === undefined ? value : new Iteration('generator', tested(statement, value, scope));
  const loop = new Loop(items, recursive ? recursion(statement, scope) : undefined, depth);
  let isEmpty = true;
  for (let item = loop.next(); item !== undefined; item = loop.next()) {
    const inner = new Scope(scope);
    inner.set('loop', loop);
    assign(target, item, inner);
    const next = runAll(body, inner, output);
    inner.end();
    // Jinja knows that a loop had an item by the end of an iteration, which break and continue do not reach.
    if (next === 'on') isEmpty = false;
    if (next === 'break') break;
  }
  return isEmpty ? runAll(otherwise, new Scope(scope), output) : 'on';
}

/** The names that a macro has only where its body uses them. */
const specialNames = ['caller', 'kwargs', 'varargs'] as const;

function makeMacro(name: string | undefined, macro: Macro | CallBlock, scope: Scope): Callable {
  const { parameters, body } = macro;
  const used = usedNames(
    body,
    specialNames.filter((special) => special === 'caller' || !parameters.includes(special)),
  );
  const shown = name ?? 'caller';
  const attributes = new Map<string, Value>([
    ['name', name ?? null],
    ['arguments', new Tuple(parameters)],
    ['catch_kwargs', used.has('kwargs')],
    ['catch_varargs', used.has('varargs')],
    ['caller', used.has('caller')],
  ]);
  const call = (args: Arguments): Value => {
    tick();
    if (scope.hasEnded())
      throw new JinjaError(`the macro '${shown}' is called behind the loop that defines it, which is not supported`);
    const inner = new Scope(scope);
    bindMacro(shown, macro, used, args, inner);
    const written = new Output();
    runAll(body, inner, written);
    return written.text();
  };
  return new Callable(shown, call, attributes);
}

function bindMacro(name: string, signature: Signature, used: ReadonlySet<string>, args: Arguments, inner: Scope): void {
  const { parameters, defaults } = signature;
  const named = new Map(args.named);
  const take = (key: string): Value | undefined => {
    const value = named.get(key);
    named.delete(key);
    return value;
  };
  const given = parameters.map((parameter, at) =>
    at < args.positional.length ? args.positional[at] : take(parameter),
  );
  if (used.has('caller') && !parameters.includes('caller'))
    inner.set('caller', take('caller') ?? new Undefined('No caller defined'));
  if (used.has('kwargs')) inner.set('kwargs', new Dict(named));
  else if (named.size > 0) throw new JinjaError(`macro '${name}' takes no keyword argument '${[...named.keys()][0]}'`);
  const rest = args.positional.slice(parameters.length);
  if (used.has('varargs')) inner.set('varargs', new Tuple(rest));
  else if (rest.length > 0)
    throw new JinjaError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
  parameters.forEach((parameter, at) => {
    const fallback = defaults[at - (parameters.length - defaults.length)];
    const missing = (): Value =>
      fallback === undefined ? new Undefined(`parameter '${parameter}' was not provided`) : evaluate(fallback, inner);
    const value = given[at];
    inner.set(parameter, value === undefined ? missing() : value);
  });
}

/** Calls a macro with the body as `caller`. */
function runCallBlock(block: CallBlock, scope: Scope): string {
  const caller = makeMacro(undefined, block, scope);
  const none: Arguments = { positional: [], named: new Map() };
  if (block.call === undefined) return toText(caller.call(none));
  const { positional, named } = evaluateArguments(block.call.args, scope);
  if (named.has('caller')) throw new JinjaError("got multiple values for keyword argument 'caller'");
  return toText(
    callValue(evaluate(block.call.of, scope), { positional, named: new Map([...named, ['caller', caller]]) }),
  );
}

/** A template that can be rendered. */
export type Template = readonly Statement[];

export { parseTemplate };

/** Renders a template with these variables. `date` is the day that `strftime_now` prints. @throws JinjaError. */
export function renderTemplate(template: Template, variables: Dict, date: Date, budget: Budget): string {
  startBudget(budget);
  const globals = new Scope();
  for (const [name, value] of globalFunctions(date)) globals.set(name, value);
  const scope = new Scope(globals);
  for (const [name, value] of variables.items()) scope.set(String(name), value);
  const output = new Output();
  runAll(template, new Scope(scope), output);
  return output.text();
}
