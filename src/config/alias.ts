/** What another program's name for a setting becomes here. */
import type { Layer } from './layer.js';

export interface Problem {
  readonly problem: string;
}

/** A value in our words, or why there is none. */
export type Translation = (value: unknown, layer: Layer) => { readonly value: unknown } | Problem;

export interface Alias {
  /** Where the value goes. */
  readonly to: string;
  /** null is a value of its own; elsewhere it means TRL's default, and nothing is set. */
  readonly takesNull?: boolean;
  /** How the value changes on the way; absent keeps it. */
  readonly translate?: Translation;
  /** What else it says, as our paths: where one of them is given as well, that one stays. */
  readonly implies?: (value: unknown, layer: Layer) => Readonly<Record<string, unknown>>;
}

export const choice =
  (table: Readonly<Record<string, unknown>>): Translation =>
  (value) => {
    const key = String(value);
    if (Object.hasOwn(table, key)) return { value: table[key] };
    return { problem: `${JSON.stringify(value)} is not supported here; use one of ${Object.keys(table).join(', ')}` };
  };
