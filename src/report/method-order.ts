/** Defines the order and the look of methods, which every table and plot shares. */
import { methodNames } from '../method/methods.js';

/** Rows of the comparison, from the base to the full method. */
const order: readonly string[] = ['base', ...methodNames];

/** Sorts known methods in the paper's order, then others in the order given. */
export function orderMethods(methods: Iterable<string>): string[] {
  const distinct = [...new Set(methods)];
  const known = order.filter((method) => distinct.includes(method));
  return [...known, ...distinct.filter((method) => !order.includes(method))];
}

/** Number of looks (colour, dash and marker) that the page's style sheet defines. */
export const looks = 8;

/** Returns the index of a method's look: fixed for known methods; the others alternate between the two spare looks. */
export function lookOf(method: string, position = 0): number {
  const known = order.indexOf(method);
  return known >= 0 ? known : order.length + (position % (looks - order.length));
}
