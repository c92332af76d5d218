/** The variables that a place of a template sees. */
import { undefinedName, type Value } from './values.js';

/** Names with their values, within those of the place around it. */
export class Scope {
  private readonly own = new Map<string, Value>();
  private isOver = false;

  constructor(private readonly around?: Scope) {}

  get(name: string): Value {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.around) {
      const value = scope.own.get(name);
      if (value !== undefined) return value;
    }
    return undefinedName(name);
  }

  set(name: string, value: Value): void {
    this.own.set(name, value);
  }

  /** Ends an iteration: a macro that it defined must not be called any more. */
  end(): void {
    this.isOver = true;
  }

  hasEnded(): boolean {
    return this.isOver || (this.around?.hasEnded() ?? false);
  }
}
