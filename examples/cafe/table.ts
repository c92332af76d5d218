/** What is said at a table of the café: the order, the answer, and what the guests say to it. */

/** What the café serves, every day. */
export const menu: readonly string[] = 'tea coffee cocoa milk cider juice'.split(' ');

export interface Guest {
  readonly name: string;
  /** The drink that makes this guest happy, known to the verifier alone. */
  readonly hopes: string;
  /** Drinks that the order rules out. */
  readonly refuses: readonly string[];
}

const orderLine = ({ name, refuses }: Guest): string => {
  const wish = refuses.length === 0 ? 'anything' : refuses.map((drink) => `no ${drink}`).join(' and ');
  return `${name} wants ${wish}.`;
};

/** What a waiter is told before the first attempt: a line for every guest. */
export function orderText(guests: readonly Guest[]): string {
  return guests.map(orderLine).join('\n');
}

/** The answer in which each guest gets the drink at the same place. */
export function answerText(names: readonly string[], served: readonly string[]): string {
  return names.map((name, at) => `${name} gets ${served[at]}.`).join('\n');
}

/** The drinks of an answer in the order of the guests; undefined unless it is `answerText` of drinks on the menu. */
export function parseAnswer(names: readonly string[], answer: string): readonly string[] | undefined {
  const served = [...answer.matchAll(/ gets ([a-z]+)\./g)].map(([, drink]) => drink as string);
  const readable = served.length === names.length && served.every((drink) => menu.includes(drink));
  return readable && answer.trim() === answerText(names, served) ? served : undefined;
}

/** What the guests say to their drinks. */
export function feedbackText(names: readonly string[], hopes: readonly string[], served: readonly string[]): string {
  const line = (name: string, at: number): string =>
    served[at] === hopes[at] ? `${name} loves ${served[at]}.` : `${name} returns ${served[at]}.`;
  return names.map(line).join('\n');
}
