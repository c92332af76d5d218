/** The order and the look of methods, the same in every table and plot. */

/** Rows of the comparison, each adding one ingredient to the one above. */
const order = ['base', 'grpo', 'curriculum', 'improve', 'diverge', 'exit'];

/** Known methods in the paper's order, then others as they came. */
export function orderMethods(methods: Iterable<string>): string[] {
  const distinct = [...new Set(methods)];
  const known = order.filter((method) => distinct.includes(method));
  return [...known, ...distinct.filter((method) => !order.includes(method))];
}

/** Slots of colour, dash and marker that the page's style sheet defines. */
export const looks = 8;

/** The slot of a method's look: fixed for known methods, then the two spare ones by turns. */
export function lookOf(method: string, position = 0): number {
  const known = order.indexOf(method);
  return known >= 0 ? known : order.length + (position % (looks - order.length));
}
