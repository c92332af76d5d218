/**
 * Draws tables, and conversations at them from which the base model learns: the language and what to look at from a
 * careful waiter, its habits from a careless one. Reinforcement learning has something to sharpen.
 */
import { createHash } from 'node:crypto';
import type { Intent, Message, Rng } from 'exit-rl';
import { answerText, feedbackText, type Guest, menu, orderText } from './table.js';

const everyName: readonly string[] = (
  'Ada Amir Anna Boris Carla Daniel Elena Emil Grace Hana Hugo Ivan Julia Kenji Laura Leo Marta Nadia Omar Petra ' +
  'Samir Sofia Vera Zoe'
).split(' ');

/** Guests at a table, and drinks that the order rules out for each. */
const [leastGuests, mostGuests, mostRefusals] = [2, 4, 2];

/** Share of tables whose previous answer is moved towards what the guests hope for, and how far. */
const near = { tables: 0.5, guests: 0.6 } as const;

/** Probabilities of a waiter's choices, guest by guest. */
export interface Care {
  /** A drink that the order leaves open, else any. */
  readonly order: number;
  /** A rewrite keeps what the guest loves. */
  readonly keep: number;
  /** A rewrite brings again what was sent back. */
  readonly repeat: number;
}

export const careful: Care = { order: 1, keep: 1, repeat: 0 };
export const careless: Care = { order: 0.8, keep: 0.8, repeat: 0.3 };

/** What the waiter is asked after the first answer; config.yaml says the same. */
export const requests = { improve: 'Please serve them again.', diverge: 'Please serve something else.' } as const;

const chance = (rng: Rng, probability: number): boolean => rng.next() < probability;
const oneOf = (rng: Rng, options: readonly string[]): string => options[rng.int(options.length)] ?? '';

/** `count` different members of `from`, in random order. */
function choose(rng: Rng, from: readonly string[], count: number): string[] {
  const left = [...from];
  return Array.from({ length: count }, () => left.splice(rng.int(left.length), 1).join());
}

function drawGuest(rng: Rng, name: string): Guest {
  const hopes = oneOf(rng, menu);
  const others = menu.filter((drink) => drink !== hopes);
  return { name, hopes, refuses: choose(rng, others, rng.int(mostRefusals + 1)) };
}

/** One table in five is held out, by its hash: what is evaluated on is never trained on. */
export function isHeldOut(guests: readonly Guest[]): boolean {
  return (createHash('sha256').update(JSON.stringify(guests)).digest()[0] ?? 0) % 5 === 0;
}

/** A table that is held out, or one that is not. */
export function drawTable(rng: Rng, heldOut = false): readonly Guest[] {
  for (;;) {
    const count = leastGuests + rng.int(mostGuests - leastGuests + 1);
    const guests = choose(rng, everyName, count).map((name) => drawGuest(rng, name));
    if (isHeldOut(guests) === heldOut) return guests;
  }
}

/** A row of the data files: the order as a conversation, and what the verifier needs. */
export function rowOf(guests: readonly Guest[]) {
  return {
    prompt: [{ role: 'user', content: orderText(guests) }],
    guests: guests.map(({ name }) => name),
    hopes: guests.map(({ hopes }) => hopes),
  };
}

/** A drink that the order leaves open and that is not `returned`, or any. */
function guess(rng: Rng, { refuses }: Guest, care: Care, returned?: string): string {
  const open = menu.filter((drink) => !refuses.includes(drink) && drink !== returned);
  return oneOf(rng, chance(rng, care.order) ? open : menu);
}

function drawPrevious(rng: Rng, guests: readonly Guest[]): string[] {
  const close = chance(rng, near.tables);
  return guests.map((guest) => (close && chance(rng, near.guests) ? guest.hopes : guess(rng, guest, careless)));
}

function improve(rng: Rng, guest: Guest, before: string, care: Care): string {
  if (guest.hopes === before) return chance(rng, care.keep) ? before : guess(rng, guest, care);
  return chance(rng, care.repeat) ? before : guess(rng, guest, care, before);
}

function serve(rng: Rng, { guests, previous, intent }: Scene, care: Care): string[] {
  const drink = (guest: Guest, at: number): string =>
    intent === 'improve' ? improve(rng, guest, previous[at] ?? '', care) : guess(rng, guest, care);
  return guests.map(drink);
}

/** The order, a previous answer, what it met, and the request. */
function conversation(guests: readonly Guest[], previous: readonly string[], request: string): Message[] {
  const { prompt, guests: present, hopes } = rowOf(guests);
  return [
    ...(prompt as Message[]),
    { role: 'assistant', content: answerText(present, previous) },
    { role: 'user', content: `${feedbackText(present, hopes, previous)}\n${request}` },
  ];
}

interface Scene {
  readonly guests: readonly Guest[];
  readonly intent: Intent;
  /** What was served before; empty for an attempt. */
  readonly previous: readonly string[];
}

export interface Demonstration extends Scene {
  readonly messages: readonly Message[];
  readonly answers: readonly string[];
}

/** 40 % attempts, 45 % improvements, 15 % something else. */
function drawIntent(rng: Rng): Intent {
  const draw = rng.next();
  if (draw < 0.4) return 'attempt';
  return draw < 0.85 ? 'improve' : 'diverge';
}

/** `count` answers at one fresh table. */
export function demonstrate(rng: Rng, count: number, care: Care): Demonstration {
  const guests = drawTable(rng);
  const intent = drawIntent(rng);
  const previous = intent === 'attempt' ? [] : drawPrevious(rng, guests);
  const { prompt, guests: names } = rowOf(guests);
  return {
    guests,
    intent,
    previous,
    messages: intent === 'attempt' ? (prompt as Message[]) : conversation(guests, previous, requests[intent]),
    answers: Array.from({ length: count }, () => answerText(names, serve(rng, { guests, previous, intent }, care))),
  };
}
