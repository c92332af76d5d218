/** Names the source of every value: the flag as typed, the environment variable, the file, the recipe, or the default. */
import type { ConfigProblem } from '../errors.js';
import type { Source } from './alias.js';
import { type Resolved, setsPath } from './resolve.js';
import { schemaRows } from './rows.js';
import type { Ranks } from './unions.js';

/** The entry of `path`, else of the smallest whole that has one, else of a part. */
function nearestOf(path: string, entries: ReadonlyMap<string, string>): string | undefined {
  for (let whole = path; whole !== ''; whole = whole.slice(0, Math.max(0, whole.lastIndexOf('.')))) {
    const found = entries.get(whole);
    if (found !== undefined) return found;
  }
  return [...entries].find(([part]) => part.startsWith(`${path}.`))?.[1];
}

/** Names where `source` sets `path`, which it calls `name`; undefined for an object of a script that calls it so. */
export function nameOrigin({ label, typed }: Source, name: string, path: string): string | undefined {
  const flag = typed && nearestOf(name, typed);
  if (flag !== undefined) return flag;
  if (name === path) return label;
  return label === undefined ? name : `${label}: ${name}`;
}

/** The default of a key that no source sets. */
const hasDefault = (path: string): boolean =>
  schemaRows().rows.some((row) => row.path === path && row.fallback !== undefined);

/** Finds the highest source that sets a path. */
export class Origins implements Ranks {
  constructor(private readonly resolved: readonly Resolved[]) {}

  of(path: string): number {
    return this.resolved.findLastIndex(({ layer }) => setsPath(layer, path));
  }

  borrowed(path: string): number | undefined {
    const rank = this.of(path);
    return this.resolved[rank]?.names.has(path) ? rank : undefined;
  }

  /** Adds its source to a problem. */
  name(problem: ConfigProblem): ConfigProblem {
    const { key } = problem;
    const resolved = this.resolved[this.of(key)];
    const isNamed = this.resolved.some(({ source }) => source.label !== undefined || source.typed !== undefined);
    if (resolved === undefined) return isNamed && hasDefault(key) ? { ...problem, source: 'default' } : problem;
    const name = nearestOf(key, resolved.names) ?? key;
    const source = nameOrigin(resolved.source, name, key);
    return source === undefined ? problem : { ...problem, source };
  }
}
