/**
 * Draws demonstrations for the supervised base from a careless but not random player, so that reinforcement learning
 * has room to improve. Each prompt has several answers, so that the base learns a distribution instead of one answer.
 */
import type { Intent } from '../../history.js';
import type { Rng } from '../../rng.js';
import { markedText, openColours } from './marks.js';
import { type CodeBreakerData, drawPuzzle } from './puzzle.js';
import { promptText } from './puzzle-prompt.js';
import { answerText, colourCount, type Row } from './words.js';

/** Probabilities of the player's choices, slot by slot. */
const care = {
  /** An answer to `solve` or `diverge` takes a colour that the openings leave possible. */
  fresh: 0.8,
  /** The previous answer takes a colour that the openings leave possible. */
  previous: 0.7,
  /** Fraction of prompts whose previous answer moves towards the code, and fraction of slots that then match it. */
  nearPrompts: 0.4,
  nearSlots: 0.6,
  /** `improve`: keep a hit; choose a possible colour elsewhere; copy a colour that was not a hit. */
  keepHit: 0.9,
  improve: 0.5,
  copy: 0.3,
} as const;

export interface Demonstration {
  readonly prompt: string;
  /** Each without the end-of-sequence word. */
  readonly answers: readonly string[];
}

const chance = (rng: Rng, probability: number): boolean => rng.next() < probability;
const chooseFrom = (rng: Rng, options: readonly number[]): number => options[rng.int(options.length)] ?? 0;

/** Chooses, with the given probability, one of the open colours (any colour when none is open), else any colour. */
function chooseColour(rng: Rng, open: readonly number[], probability: number): number {
  return chance(rng, probability) && open.length > 0 ? chooseFrom(rng, open) : rng.int(colourCount);
}

const chooseRow = (rng: Rng, open: readonly (readonly number[])[], probability: number): Row =>
  open.map((colours) => chooseColour(rng, colours, probability));

/** 40 % solve, 40 % improve, 20 % diverge. */
function drawIntent(rng: Rng): Intent {
  const draw = rng.next();
  if (draw < 0.4) return 'attempt';
  return draw < 0.8 ? 'improve' : 'diverge';
}

/** Draws a previous answer: mostly open colours, and in some prompts near the code. */
export function drawPrevious(rng: Rng, { code, openings }: CodeBreakerData): Row {
  const row = chooseRow(rng, openColours(code, openings), care.previous);
  if (!chance(rng, care.nearPrompts)) return row;
  return row.map((colour, slot) => (chance(rng, care.nearSlots) ? (code[slot] ?? colour) : colour));
}

/** Chooses one slot of an improved answer. */
function improveColour(rng: Rng, old: number, isHit: boolean, open: readonly number[]): number {
  if (isHit && chance(rng, care.keepHit)) return old;
  if (!isHit && chance(rng, care.copy)) return old;
  return chooseColour(rng, open, care.improve);
}

function improveRow(rng: Rng, { code, openings }: CodeBreakerData, previous: Row): Row {
  const open = openColours(code, [...openings, previous]);
  return previous.map((old, slot) => improveColour(rng, old, old === code[slot], open[slot] ?? []));
}

/** Draws `count` answers to one prompt with this intent. */
export function demonstrate(rng: Rng, data: CodeBreakerData, intent: Intent, count: number): Demonstration {
  const previous = drawPrevious(rng, data);
  const shown = intent === 'attempt' ? undefined : markedText(data.code, previous);
  const open = openColours(data.code, data.openings);
  const answer = (): Row => (intent === 'improve' ? improveRow(rng, data, previous) : chooseRow(rng, open, care.fresh));
  return {
    prompt: promptText(data, intent, shown),
    answers: Array.from({ length: count }, () => answerText(answer())),
  };
}

/** Draws a batch of `prompts` fresh puzzles with `answers` demonstrations each. */
export function drawDemonstrations(rng: Rng, prompts: number, answers: number): Demonstration[] {
  return Array.from({ length: prompts }, () => demonstrate(rng, drawPuzzle(rng), drawIntent(rng), answers));
}
