/** One source of settings (a recipe, a file, the environment, the flags) as nested plain objects. */
import { isTooDeep } from '../nesting.js';

export type Layer = Record<string, unknown>;

export function isPlainObject(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is an object of settings: an instance of a class is a value of its own. */
export function isSettings(value: unknown): value is Layer {
  if (!isPlainObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (prototype as object).constructor?.name === 'Object';
}

/** Bounds the nesting of settings, so that recursion over them cannot overflow the stack. */
const deepest = 12;

/**
 * Undoes the value of a lower layer: the key gets its default again. With `only` it undoes no other values: `use_cpu: false`
 * undoes `cpu`, and leaves `cuda:1`.
 */
export class Undo {
  constructor(private readonly only?: (lower: unknown) => boolean) {}

  undoes(lower: unknown): boolean {
    return this.only === undefined || this.only(lower);
  }
}

/** Finds the path of a key `__proto__`, which an assignment would lose. */
function findHiddenKey(value: unknown, path = ''): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const key of Object.keys(value)) {
    if (key === '__proto__') return path + key;
    const found = findHiddenKey((value as Layer)[key], `${path}${key}.`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the key and the reason why `value` cannot be a layer: nested too deep, or a key that no setting has. */
export function layerProblem(value: unknown): { readonly key: string; readonly message: string } | undefined {
  if (isTooDeep(value, deepest + 1)) return { key: 'config', message: `is nested deeper than ${deepest} levels` };
  const key = findHiddenKey(value);
  return key === undefined ? undefined : { key, message: 'unknown option' };
}

/** Copies objects and lists, and keeps everything else. */
export function copyLayer<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyLayer) as Value;
  if (!isSettings(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, copyLayer(child)])) as Value;
}

/**
 * Merges two layers; settings of `upper` override those of `lower`. Objects merge key by key unless `upper` names another
 * `kind`; everything else is replaced.
 */
export function mergeLayers(lower: Layer, upper: Layer): Layer {
  const merged: Layer = { ...lower };
  for (const [key, value] of Object.entries(upper)) {
    const below = merged[key];
    if (value instanceof Undo) {
      if (value.undoes(below)) delete merged[key];
    } else if (isPlainObject(value)) {
      merged[key] = mergeLayers(canMerge(below, value) ? below : {}, value);
    } else if (value !== undefined) merged[key] = value;
  }
  return merged;
}

function canMerge(lower: unknown, upper: Layer): lower is Layer {
  if (!isPlainObject(lower)) return false;
  return upper.kind === undefined || lower.kind === undefined || upper.kind === lower.kind;
}

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
