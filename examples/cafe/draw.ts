/**
 * Draws meals and conversations about them for the base model. It learns to copy from the copying lesson, what to attend to
 * from a careful waiter, and its habits from a careless one, which leaves reinforcement learning something to improve.
 */
import { createHash } from 'node:crypto';
import type { Intent, Message } from 'exit-rl';
import type { Rng } from 'exit-rl/method';
import { answerText, type Course, feedbackText, menu, orderText } from './table.js';

/** Bounds of the number of courses of a meal, and of the dishes that an order rules out per course. */
const fewestCourses = 2;
const mostCourses = 4;
const mostRefusals = 4;

/** The demonstrations of a lesson: probabilities of a waiter's choices per course, and shares of meals. */
export interface Lesson {
  /** Probability of a dish that the order allows; otherwise any dish is served. */
  readonly order: number;
  /** Probability that a rewrite keeps a dish that the guest loves. */
  readonly keep: number;
  /** Probability that a rewrite serves a returned dish again. */
  readonly repeat: number;
  /** Share of meals whose previous answer moves towards the guest's hopes, and share of courses that move. */
  readonly nearMeals: number;
  readonly nearCourses: number;
  /** Shares of attempts and of improvements; the remaining conversations request something else. */
  readonly attempts: number;
  readonly improvements: number;
}

const everyday = { nearMeals: 0.5, nearCourses: 0.6, attempts: 0.4, improvements: 0.45 } as const;

/** Nearly every dish is loved and kept, so that the model learns to find and copy the previous answer. */
export const copying: Lesson = {
  order: 1,
  keep: 1,
  repeat: 0,
  nearMeals: 1,
  nearCourses: 0.9,
  attempts: 0.05,
  improvements: 0.93,
};
export const careful: Lesson = { order: 1, keep: 1, repeat: 0, ...everyday };
export const careless: Lesson = { order: 0.5, keep: 0.75, repeat: 0.3, ...everyday };

/** The guest's requests after the first answer; config.yaml holds the same texts. */
export const requests = { improve: 'Please serve again.', diverge: 'Please serve something else.' } as const;

const chance = (rng: Rng, probability: number): boolean => rng.next() < probability;
const oneOf = (rng: Rng, options: readonly string[]): string => options[rng.int(options.length)] ?? '';

/** Draws `count` different members of `from`, in random order. */
function choose(rng: Rng, from: readonly string[], count: number): string[] {
  const left = [...from];
  return Array.from({ length: count }, () => left.splice(rng.int(left.length), 1).join());
}

function drawCourse(rng: Rng, name: string): Course {
  const dishes = menu[name] ?? [];
  const hopes = oneOf(rng, dishes);
  const others = dishes.filter((dish) => dish !== hopes);
  return { name, hopes, refuses: choose(rng, others, rng.int(mostRefusals + 1)) };
}

/** Whether a meal is held out: one in five is, by its hash, so that training never sees a meal of the evaluation. */
export function isHeldOut(courses: readonly Course[]): boolean {
  return (createHash('sha256').update(JSON.stringify(courses)).digest()[0] ?? 0) % 5 === 0;
}

/** Draws a meal that is held out, or one that is not. */
export function drawMeal(rng: Rng, heldOut = false): readonly Course[] {
  const names = Object.keys(menu);
  for (;;) {
    const chosen = choose(rng, names, fewestCourses + rng.int(mostCourses - fewestCourses + 1));
    const courses = names.filter((name) => chosen.includes(name)).map((name) => drawCourse(rng, name));
    if (isHeldOut(courses) === heldOut) return courses;
  }
}

/** Converts a meal to a row of the data files: the order as a conversation, and the columns of the verifier. */
export function rowOf(courses: readonly Course[]) {
  return {
    prompt: [{ role: 'user', content: orderText(courses) }],
    courses: courses.map(({ name }) => name),
    hopes: courses.map(({ hopes }) => hopes),
  };
}

/** Draws a dish that the order allows and that is not `returned`, or any dish. */
function guess(rng: Rng, { name, refuses }: Course, lesson: Lesson, returned?: string): string {
  const dishes = menu[name] ?? [];
  const open = dishes.filter((dish) => !refuses.includes(dish) && dish !== returned);
  return oneOf(rng, chance(rng, lesson.order) ? open : dishes);
}

/** Draws a careless first answer and moves it towards the guest's hopes. */
function drawPrevious(rng: Rng, courses: readonly Course[], { nearMeals, nearCourses }: Lesson): string[] {
  const near = chance(rng, nearMeals) ? nearCourses : 0;
  return courses.map((course) => (chance(rng, near) ? course.hopes : guess(rng, course, careless)));
}

function improve(rng: Rng, course: Course, before: string, lesson: Lesson): string {
  if (course.hopes === before) return chance(rng, lesson.keep) ? before : guess(rng, course, lesson);
  return chance(rng, lesson.repeat) ? before : guess(rng, course, lesson, before);
}

interface Scene {
  readonly courses: readonly Course[];
  readonly intent: Intent;
  /** The dishes of the previous answer; empty for an attempt. */
  readonly previous: readonly string[];
}

export interface Demonstration extends Scene {
  readonly messages: readonly Message[];
  readonly answers: readonly string[];
}

function serve(rng: Rng, { courses, previous, intent }: Scene, lesson: Lesson): string[] {
  const dish = (course: Course, at: number): string =>
    intent === 'improve' ? improve(rng, course, previous[at] ?? '', lesson) : guess(rng, course, lesson);
  return courses.map(dish);
}

/** Assembles the conversation: the order, a previous answer, its feedback, and the request. */
function conversation(courses: readonly Course[], previous: readonly string[], request: string): Message[] {
  const { prompt, courses: names, hopes } = rowOf(courses);
  return [
    ...(prompt as Message[]),
    { role: 'assistant', content: answerText(names, previous) },
    { role: 'user', content: `${feedbackText(hopes, previous)}\n${request}` },
  ];
}

function drawIntent(rng: Rng, { attempts, improvements }: Lesson): Intent {
  const draw = rng.next();
  if (draw < attempts) return 'attempt';
  return draw < attempts + improvements ? 'improve' : 'diverge';
}

/** Draws `count` answers about one new meal. */
export function demonstrate(rng: Rng, count: number, lesson: Lesson): Demonstration {
  const courses = drawMeal(rng);
  const intent = drawIntent(rng, lesson);
  const previous = intent === 'attempt' ? [] : drawPrevious(rng, courses, lesson);
  const { prompt, courses: names } = rowOf(courses);
  return {
    courses,
    intent,
    previous,
    messages: intent === 'attempt' ? (prompt as Message[]) : conversation(courses, previous, requests[intent]),
    answers: Array.from({ length: count }, () => answerText(names, serve(rng, { courses, previous, intent }, lesson))),
  };
}
