/** The settings of all layers before they are merged: other programs' names, each with the highest layer that has it. */
import type { Given, Option } from './alias.js';
import { aliases } from './aliases.js';
import { isPlainObject, type Layer, readPath, removePath } from './layer.js';
import { batchAliases } from './objective-aliases.js';
import { switchTakes } from './run-aliases.js';
import { refusedNames } from './trl-options.js';

/** All names of other programs. */
export const otherNames = (): readonly string[] => [
  ...Object.keys(aliases()),
  ...batchAliases,
  ...Object.keys(switchTakes),
  ...refusedNames,
];

/** An object of another program that is null or empty replaces that of a lower layer: all its keys are null. */
function isEmptied(layer: Layer, name: string): boolean {
  const [parent = '', ...rest] = name.split('.');
  const value = rest.length > 0 && Object.hasOwn(switchTakes, parent) ? layer[parent] : undefined;
  return value === null || (isPlainObject(value) && Object.keys(value).length === 0);
}

/** Moves every other name out of the layers; a name's value is that of the highest layer. */
function takeOptions(layers: readonly Layer[]): ReadonlyMap<string, Option> {
  const options = new Map<string, Option>();
  for (const [rank, layer] of layers.entries()) {
    for (const name of otherNames()) {
      const value = isEmptied(layer, name) ? null : removePath(layer, name);
      if (value !== undefined) options.set(name, { value, rank });
    }
  }
  return options;
}

/** The layers without other programs' names, and these names. */
export class Settings implements Given {
  /** The names of other programs with their values. */
  readonly options: ReadonlyMap<string, Option>;

  /** Changes the layers: afterwards they hold keys of our schema, and unknown ones. */
  constructor(readonly layers: readonly Layer[]) {
    this.options = takeOptions(layers);
  }

  option(name: string): unknown {
    return this.options.get(name)?.value;
  }

  at(path: string): unknown {
    const named = Object.entries(aliases()).filter(([, alias]) => alias.to === path && !alias.translate);
    for (let rank = this.layers.length - 1; rank >= 0; rank--) {
      const values = named.map(([name]) => this.options.get(name)).filter((option) => option?.rank === rank);
      const value = readPath(this.layers[rank] ?? {}, path) ?? values[0]?.value ?? undefined;
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
