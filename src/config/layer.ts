/** One source of settings (a recipe, a file, the environment, the flags) as nested plain objects. */

export type Layer = Record<string, unknown>;

export function isPlainObject(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** No setting lies deeper; what does would overflow the stack of whoever walks it. */
const deepest = 12;

/** Why `value` is no layer that can be walked: nested too deep, or a key that JavaScript does not keep as data. */
export function layerProblem(value: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > deepest) return `is nested deeper than ${deepest} levels`;
  if (Object.hasOwn(value, '__proto__')) return 'holds a key `__proto__`';
  for (const child of Object.values(value)) {
    const problem = layerProblem(child, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Settings of `upper` go before those of `lower`; objects merge key by key, everything else is replaced. */
export function mergeLayers(lower: Layer, upper: Layer): Layer {
  const merged: Layer = { ...lower };
  for (const [key, value] of Object.entries(upper)) {
    const below = merged[key];
    if (value !== undefined)
      merged[key] = isPlainObject(below) && isPlainObject(value) ? mergeLayers(below, value) : value;
  }
  return merged;
}

/** Sets `a.b` inside `layer`; false, and nothing changed, when the place is taken or its parent is no object. */
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

/** Takes `a.b` out of `layer` and returns it; a parent that becomes empty goes as well. */
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
