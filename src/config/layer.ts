/** One source of settings (a recipe, a file, the environment, the flags) as nested plain objects. */
import { isTooDeep } from '../nesting.js';

export type Layer = Record<string, unknown>;

export function isPlainObject(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Bounds the nesting of settings, so that recursion over them cannot overflow the stack. */
const deepest = 12;

const hasHiddenKey = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(hasHiddenKey));

/** Returns why `value` cannot be a layer: nested too deep, or a key that JavaScript does not keep as data. */
export function layerProblem(value: unknown): string | undefined {
  if (isTooDeep(value, deepest + 1)) return `is nested deeper than ${deepest} levels`;
  return hasHiddenKey(value) ? 'holds a key `__proto__`' : undefined;
}

/**
 * Merges two layers; settings of `upper` override those of `lower`. Objects merge key by key unless `upper` names another
 * `kind`; everything else is replaced.
 */
export function mergeLayers(lower: Layer, upper: Layer): Layer {
  const merged: Layer = { ...lower };
  for (const [key, value] of Object.entries(upper)) {
    const below = merged[key];
    if (value !== undefined) merged[key] = canMerge(below, value) ? mergeLayers(below as Layer, value as Layer) : value;
  }
  return merged;
}

const canMerge = (lower: unknown, upper: unknown): boolean =>
  isPlainObject(lower) &&
  isPlainObject(upper) &&
  (upper.kind === undefined || upper.kind === (lower.kind ?? upper.kind));

/** Returns the value at `a.b`; undefined when there is none. */
export const readPath = (layer: Layer, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, key) => (isPlainObject(value) && Object.hasOwn(value, key) ? value[key] : undefined),
      layer,
    );

/** Sets `a.b` inside `layer`; returns false and changes nothing when the path is set or its parent is not an object. */
export function setPath(layer: Layer, path: string, value: unknown): boolean {
  const keys = path.split('.');
  const last = keys.pop() ?? path;
  let parent = layer;
  for (const key of keys) {
    if (!Object.hasOwn(parent, key)) parent[key] = {};
    const child = parent[key];
    if (!isPlainObject(child)) return false;
    parent = child;
  }
  if (Object.hasOwn(parent, last)) return false;
  parent[last] = value;
  return true;
}

/** Removes `a.b` from `layer` and returns its value; removes a parent that becomes empty. */
export function removePath(layer: Layer, path: string): unknown {
  const [first = path, ...rest] = path.split('.');
  if (!Object.hasOwn(layer, first)) return undefined;
  const value = layer[first];
  if (rest.length === 0) {
    delete layer[first];
    return value;
  }
  if (!isPlainObject(value)) return undefined;
  const removed = removePath(value, rest.join('.'));
  if (removed !== undefined && Object.keys(value).length === 0) delete layer[first];
  return removed;
}
