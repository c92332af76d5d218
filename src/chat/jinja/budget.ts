/**
 * Bounds of a render. A template comes from anywhere; the clock and the size of every value are looked at while it runs. The
 * state is the module's, since one process renders one template at a time.
 */

/** The bounds of one render. */
export interface Budget {
  readonly milliseconds: number;
  /** Longest text or list. */
  readonly characters: number;
}

/** An error of a template, in its own or in Python's words. */
export class JinjaError extends Error {}

/** A failure for the reason that something of Python or Jinja has no counterpart here. */
export function unsupported(subject: string): never {
  throw new JinjaError(`${subject} is not supported`);
}

let budget: Budget = { milliseconds: 2_000, characters: 1 << 23 };
let end = 0;
let ticks = 0;

/** Begins a render. */
export function startBudget(limits: Budget): void {
  budget = limits;
  end = performance.now() + limits.milliseconds;
  ticks = 0;
}

/** Counts a step. @throws JinjaError when the time is over. */
export function tick(): void {
  if ((++ticks & 31) === 0 && performance.now() > end) {
    throw new JinjaError(`it took longer than ${budget.milliseconds} ms`);
  }
}

/** Checks a length before a value is made. @throws JinjaError when it is too long. */
export function requireLength(length: number): void {
  tick();
  if (length > budget.characters) throw new JinjaError(`it made a text or list longer than ${budget.characters}`);
}

/** The text or list, checked. */
export function bounded<Sized extends string | readonly unknown[]>(value: Sized): Sized {
  requireLength(value.length);
  return value;
}
