/** Translates another program's name for a setting into a path of our schema. */
import type { Layer } from './layer.js';
import type { Takes } from './takes.js';

export interface Problem {
  readonly problem: string;
}

/** The settings of all layers, for translations that depend on several. */
export interface Given {
  /** The value of another program's name, of the highest layer that has it. */
  option(name: string): unknown;
  /** The value at a path of our schema, whatever its name, of the highest layer that has it. */
  at(path: string): unknown;
}

/** A value of another program's name, and the place of its layer; the lowest has place 0. */
export interface Option {
  readonly value: unknown;
  readonly rank: number;
}

/** Translates a value to ours, or returns the problem with it. */
export type Translation = (value: unknown, given: Given) => { readonly value: unknown } | Problem;

export interface Alias {
  /** Path that receives the value. */
  readonly to: string;
  /** true: null is a value. Elsewhere null means TRL's default, which undoes a lower layer. */
  readonly takesNull?: boolean;
  /** The types of the other program's values; absent where they are ours. */
  readonly takes?: Takes;
  /** Translates the value; absent keeps it. */
  readonly translate?: Translation;
  /** Further values that it implies, by path; an explicit value of the same layer overrides them. */
  readonly implies?: (value: unknown, given: Given) => Readonly<Record<string, unknown>>;
}

/** Translates a value by a table, and refuses others with the list of its keys. */
export const choice =
  (table: Readonly<Record<string, unknown>>): Translation =>
  (value) => {
    const key = String(value);
    if (Object.hasOwn(table, key)) return { value: table[key] };
    return { problem: `${JSON.stringify(value)} is not supported here; use one of ${Object.keys(table).join(', ')}` };
  };

/** The settings of one source, which the error messages name. */
export interface Source {
  readonly layer: Layer;
  /** Names the source in messages; absent for an object of a script. */
  readonly label?: string;
  /** The flag or the environment variable that the user typed, by path. */
  readonly typed?: ReadonlyMap<string, string>;
}
