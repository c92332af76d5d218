/** The keys of an input line: a key that no command reads is refused, so that nothing of a line is dropped in silence. */
import { UsageError } from '../errors.js';
import { plainNumbers } from '../exact-json.js';
import { nearest } from '../nearest.js';
import { describeValue, shortened } from '../shown.js';
import type { JsonLine } from './json-lines.js';

/** Keys of a line that its output line repeats. */
export interface LineLabels {
  /** Names the line; its random stream follows from it. */
  readonly id?: string | number;
  /** Anything of the user's own. */
  readonly metadata?: unknown;
}

/** Keys that every command takes. */
const labelKeys = ['id', 'metadata'];

/**
 * Requires that the line has no other keys than `known` and those of its labels.
 * @throws UsageError that names the line, the key and the nearest known one.
 */
export function requireKnownKeys({ value, place }: JsonLine, known: readonly string[]): void {
  const keys = [...known, ...labelKeys];
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  const meant = nearest(unknown, keys);
  const fix =
    meant === undefined
      ? `a line takes ${keys.join(', ')}; put a key of your own under \`metadata\``
      : `did you mean \`${meant}\`? A key of your own belongs under \`metadata\``;
  throw new UsageError(`${place}: unknown key \`${shortened(unknown)}\`: ${fix}`, { place, key: unknown });
}

/** Reads `id` and `metadata` of lines. An id may occur once. */
export class LabelReader {
  private readonly places = new Map<string, string>();

  /** @throws UsageError for an id that is neither a text nor a whole number, or that an earlier line has. */
  read({ value, place }: JsonLine): LineLabels {
    const { metadata } = value;
    const id = this.readId(value.id, place);
    return { ...(id !== undefined && { id }), ...(metadata !== undefined && { metadata: plainNumbers(metadata) }) };
  }

  private readId(given: unknown, place: string): string | number | undefined {
    if (given === undefined || given === null) return undefined;
    const refuse = (reason: string): UsageError => new UsageError(`${place}: \`id\` ${reason}`, { place, key: 'id' });
    const id = plainNumbers(given);
    const isName = (typeof id === 'string' && typeof given === 'string') || Number.isSafeInteger(id);
    if (!isName) throw refuse(`must be a text or a whole number below 2^53, not ${describeValue(id)}`);
    const name = JSON.stringify(id);
    const before = this.places.get(name);
    if (before !== undefined) throw refuse(`${shortened(name)} is already that of ${before}`);
    this.places.set(name, place);
    return id as string | number;
  }
}
