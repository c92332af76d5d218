/** Converts the written texts of a layer to the types of their keys. */
import type { ConfigProblem } from '../errors.js';
import { isSettings, type Layer } from './layer.js';
import { type Takes, takesAny } from './takes.js';
import { WrongNumber } from './whole-numbers.js';
import { convertWritten, Written } from './written.js';

type TakesAt = (path: string) => Takes | undefined;

/** Returns the layer with every `Written` converted; adds a number that cannot be kept to `problems`. */
export function settleWritten(layer: Layer, takesAt: TakesAt, problems: ConfigProblem[]): Layer {
  const settle = (value: unknown, path: string): unknown => {
    if (value instanceof Written) return convert(value, path);
    if (Array.isArray(value)) return value.map((entry, at) => settle(entry, `${path}.${at}`));
    if (!isSettings(value)) return value;
    const prefix = path === '' ? '' : `${path}.`;
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, settle(child, prefix + key)]));
  };
  const convert = (value: Written, path: string): unknown => {
    try {
      return convertWritten(value, takesAt(path) ?? takesAny);
    } catch (error) {
      if (!(error instanceof WrongNumber)) throw error;
      problems.push({ key: path, message: error.message });
      return undefined;
    }
  };
  return settle(layer, '') as Layer;
}
