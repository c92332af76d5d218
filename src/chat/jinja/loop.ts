/** The object `loop` of a for-loop, as Jinja's LoopContext keeps it. */
import { bindPositional } from './bind-arguments.js';
import { JinjaError, unsupported } from './budget.js';
import { isEqual } from './ordering.js';
import { type Arguments, Callable, HostObject, iterate, sizeOf, Tuple, Undefined, type Value } from './values.js';

/** Renders the body of a recursive loop over a value. */
export type Recurse = (value: Value, depth: number) => string;

export class Loop extends HostObject {
  readonly typeName = 'LoopContext';
  private source: Iterator<Value>;
  private place = -1;
  private size: number | undefined;
  private ahead: IteratorResult<Value, unknown> | undefined;
  private present: Value | undefined;
  private before: Value | undefined;
  private seen: Value | undefined;

  constructor(
    private readonly over: Value,
    private readonly recurse: Recurse | undefined,
    private readonly depth: number,
  ) {
    super();
    this.source = iterate(over);
  }

  /** The next item; undefined at the end. */
  next(): Value | undefined {
    const step = this.ahead ?? this.source.next();
    this.ahead = undefined;
    if (step.done) return undefined;
    this.place += 1;
    this.before = this.present;
    this.present = step.value;
    return step.value;
  }

  private peek(): IteratorResult<Value, unknown> {
    this.ahead ??= this.source.next();
    return this.ahead;
  }

  /** The number of items; those of an iterator are read for it. */
  private length(): number {
    if (this.size !== undefined) return this.size;
    this.size = sizeOf(this.over) ?? this.readAhead();
    return this.size;
  }

  /** Reads the rest of an iterator; returns the number of all its items. */
  private readAhead(): number {
    const isAhead = this.ahead !== undefined && !this.ahead.done;
    const rest: Value[] = [];
    for (let step = this.source.next(); !step.done; step = this.source.next()) rest.push(step.value);
    this.source = rest[Symbol.iterator]();
    return rest.length + this.place + 1 + (isAhead ? 1 : 0);
  }

  attribute(name: string): Value | undefined {
    const whole = this.number(name);
    if (whole !== undefined) return BigInt(whole);
    switch (name) {
      case 'first':
        return this.place === 0;
      case 'last':
        return this.peek().done === true;
      case 'previtem':
        return this.place === 0 ? new Undefined('there is no previous item') : this.before;
      case 'nextitem':
        return this.peek().done ? new Undefined('there is no next item') : (this.peek().value as Value);
      case 'cycle':
        return new Callable('cycle', (args) => this.cycle(args));
      case 'changed':
        return new Callable('changed', (args) => this.changed(args));
      default:
        return name.startsWith('_') ? unsupported(`loop.${name}`) : undefined;
    }
  }

  private number(name: string): number | undefined {
    const numbers: Readonly<Record<string, () => number>> = {
      index: () => this.place + 1,
      index0: () => this.place,
      revindex: () => this.length() - this.place,
      revindex0: () => this.length() - this.place - 1,
      length: () => this.length(),
      depth: () => this.depth + 1,
      depth0: () => this.depth,
    };
    return Object.hasOwn(numbers, name) ? numbers[name]?.() : undefined;
  }

  private cycle({ positional }: Arguments): Value {
    if (positional.length === 0) throw new JinjaError('no items for cycling given');
    return positional[this.place % positional.length] as Value;
  }

  private changed({ positional }: Arguments): Value {
    const value = new Tuple(positional);
    const isNew = this.seen === undefined || !isEqual(this.seen, value);
    this.seen = value;
    return isNew;
  }

  override call(args: Arguments): Value {
    const [over = null] = bindPositional('loop', ['iterable'], args);
    if (this.recurse === undefined) {
      throw new JinjaError("The loop must have the 'recursive' marker to be called recursively.");
    }
    return this.recurse(over, this.depth + 1);
  }
}
