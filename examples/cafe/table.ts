/** The texts of a meal at the café: the order, the answer, and the guest's feedback. */

/** The dishes of the café, course by course. */
export const menu: Readonly<Record<string, readonly string[]>> = {
  Drink: ['tea', 'coffee', 'cocoa', 'milk', 'cider', 'juice'],
  Soup: ['onion', 'tomato', 'pumpkin', 'leek', 'bean', 'carrot'],
  Main: ['rice', 'pasta', 'stew', 'curry', 'pie', 'salad'],
  Dessert: ['cake', 'pudding', 'fruit', 'cheese', 'waffle', 'sorbet'],
};

export interface Course {
  readonly name: string;
  /** The dish that makes the guest happy, which only the verifier knows. */
  readonly hopes: string;
  /** Dishes that the order rules out. */
  readonly refuses: readonly string[];
}

const orderLine = ({ name, refuses }: Course): string =>
  refuses.length === 0 ? `${name} of any kind.` : `${name} with ${refuses.map((dish) => `no ${dish}`).join(' and ')}.`;

/** Writes the order that precedes the first attempt, one line per course. */
export function orderText(courses: readonly Course[]): string {
  return courses.map(orderLine).join('\n');
}

/** Writes the answer that serves the dish at the same place for each course. */
export function answerText(names: readonly string[], served: readonly string[]): string {
  return names.map((name, at) => `${name} is ${served[at]}.`).join('\n');
}

/** Parses the dishes of an answer in the order of the courses; undefined unless it is `answerText` of dishes on the menu. */
export function parseAnswer(names: readonly string[], answer: string): readonly string[] | undefined {
  const served = [...answer.matchAll(/ is ([a-z]+)\./g)].map(([, dish]) => dish as string);
  const readable = names.length === served.length && names.every((name, at) => menu[name]?.includes(served[at] ?? ''));
  return readable && answer.trim() === answerText(names, served) ? served : undefined;
}

/** Writes the guest's feedback on the dishes. */
export function feedbackText(hopes: readonly string[], served: readonly string[]): string {
  return served.map((dish, at) => (dish === hopes[at] ? `Loved ${dish}.` : `Returned ${dish}.`)).join('\n');
}
