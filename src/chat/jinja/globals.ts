/** The functions that every template may call, as Jinja and transformers define them. */
import { bind, bindPositional, requireText } from './bind-arguments.js';
import { JinjaError, unsupported } from './budget.js';
import { toText } from './show.js';
import { strftime } from './strftime.js';
import {
  type Arguments,
  Callable,
  Dict,
  HostObject,
  iterate,
  listOf,
  Namespace,
  Range,
  typeName,
  type Value,
} from './values.js';

/** The sandbox refuses longer ranges. */
const longestRange = 100_000;

function makeRange(args: Arguments): Value {
  const given = bindPositional('range', ['start', ['stop', null], ['step', 1n]], args);
  const wholes = given.map((value, at) => {
    if (at === 1 && value === null && args.positional.length === 1) return 0n;
    if (typeof value === 'bigint' || typeof value === 'boolean') return BigInt(value);
    throw new JinjaError(`'${typeName(value)}' object cannot be interpreted as an integer`);
  }) as [bigint, bigint, bigint];
  const [start, stop] = args.positional.length === 1 ? [0n, wholes[0]] : wholes;
  if (wholes[2] === 0n) throw new JinjaError('range() arg 3 must not be zero');
  const range = new Range(start, stop, wholes[2]);
  if (range.length <= longestRange) return range;
  throw new JinjaError(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${longestRange}).`);
}

/** `dict(…)` of Python: a dict or pairs, and names. */
function makeDict({ positional, named }: Arguments): Dict {
  const [first, ...others] = positional;
  if (others.length > 0) throw new JinjaError(`dict expected at most 1 argument, got ${positional.length}`);
  const dict = new Dict(
    first instanceof Dict ? first.items() : first === undefined ? [] : Array.from(iterate(first), pairOf),
  );
  for (const [name, value] of named) dict.set(name, value);
  return dict;
}

function pairOf(value: Value): readonly [Value, Value] {
  const [key, item, ...others] = listOf(value);
  if (key === undefined || item === undefined || others.length > 0)
    throw new JinjaError('a dict needs pairs of key and value');
  return [key, item];
}

/** Names of attributes that transformers does not let a template store. */
export function requirePublicName(name: Value): void {
  if (typeof name !== 'string' || !name.startsWith('_')) return;
  throw new JinjaError(`Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'`);
}

function makeNamespace(args: Arguments): Value {
  const attributes = makeDict(args);
  for (const [name] of attributes.items()) requirePublicName(name);
  return new Namespace(attributes);
}

class Cycler extends HostObject {
  readonly typeName = 'Cycler';
  private place = 0;

  constructor(private readonly items: readonly Value[]) {
    super();
    if (items.length === 0) throw new JinjaError('at least one item has to be provided');
  }

  attribute(name: string): Value | undefined {
    if (name === 'current') return this.items[this.place];
    if (name === 'next') return new Callable('next', (args) => this.next(args));
    if (name === 'reset') return new Callable('reset', (args) => this.reset(args));
    return ['items', 'pos'].includes(name) || name.startsWith('_') ? unsupported(`cycler.${name}`) : undefined;
  }

  private next(args: Arguments): Value {
    bindPositional('next', [], args);
    const item = this.items[this.place] as Value;
    this.place = (this.place + 1) % this.items.length;
    return item;
  }

  private reset(args: Arguments): Value {
    bindPositional('reset', [], args);
    this.place = 0;
    return null;
  }
}

class Joiner extends HostObject {
  readonly typeName = 'Joiner';
  private used = false;

  constructor(private readonly separator: Value) {
    super();
  }

  attribute(name: string): Value | undefined {
    return ['sep', 'used'].includes(name) || name.startsWith('_') ? unsupported(`joiner.${name}`) : undefined;
  }

  override call(args: Arguments): Value {
    bindPositional('joiner', [], args);
    const separator = this.used ? this.separator : '';
    this.used = true;
    return separator;
  }
}

/** The functions by name. `date` is the day that `strftime_now` prints. */
export function globalFunctions(date: Date): ReadonlyMap<string, Value> {
  const functions: Readonly<Record<string, (args: Arguments) => Value>> = {
    range: makeRange,
    dict: makeDict,
    namespace: makeNamespace,
    cycler: ({ positional, named }) => {
      if (named.size > 0) throw new JinjaError('cycler() takes no keyword arguments');
      return new Cycler(positional);
    },
    joiner: (args) => new Joiner(bind('joiner', [['sep', ', ']], args)[0] as Value),
    lipsum: () => unsupported('`lipsum`'),
    raise_exception: (args) => {
      throw new JinjaError(toText(bind('raise_exception', ['message'], args)[0] as Value));
    },
    strftime_now: (args) => strftime(date, requireText(bind('strftime_now', ['format'], args)[0] as Value, 'format')),
  };
  return new Map(Object.entries(functions).map(([name, call]) => [name, new Callable(name, call)]));
}
