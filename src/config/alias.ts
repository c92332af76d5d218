/** Translates another program's name for a setting into a path of our schema. */
import type { Layer } from './layer.js';

export interface Problem {
  readonly problem: string;
}

/** Translates a value to ours, or returns the problem with it. */
export type Translation = (value: unknown, layer: Layer) => { readonly value: unknown } | Problem;

export interface Alias {
  /** Path that receives the value. */
  readonly to: string;
  /** true: null is a value. Elsewhere null means TRL's default, and nothing is set. */
  readonly takesNull?: boolean;
  /** Translates the value; absent keeps it. */
  readonly translate?: Translation;
  /** Further values that it implies, by path; an explicit value of the same layer overrides them. */
  readonly implies?: (value: unknown, layer: Layer) => Readonly<Record<string, unknown>>;
}

/** Translates a value by a table, and refuses others with the list of its keys. */
export const choice =
  (table: Readonly<Record<string, unknown>>): Translation =>
  (value) => {
    const key = String(value);
    if (Object.hasOwn(table, key)) return { value: table[key] };
    return { problem: `${JSON.stringify(value)} is not supported here; use one of ${Object.keys(table).join(', ')}` };
  };
