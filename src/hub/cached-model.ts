/** A model of the cache, as a fetch would return it, for machines without a network. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import type { Environment } from './environment.js';
import { isAsked } from './listing.js';
import { cachedFolder, type HubModel } from './model-cache.js';

export interface CachedModel {
  readonly folder: string;
  readonly commit: string;
  /** Paths within the folder. */
  readonly files: readonly string[];
  /** Size of the files together. */
  readonly bytes: number;
}

/** The files of a snapshot with their sizes; a link whose blob is gone is not one. */
function filesOf(folder: string): { readonly path: string; readonly size: number }[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries.flatMap((entry) => {
    const file = join(entry.parentPath, entry.name);
    const status = statSync(file, { throwIfNoEntry: false });
    if (!status?.isFile()) return [];
    return [{ path: relative(folder, file).split(sep).join('/'), size: status.size }];
  });
}

const index = /\.safetensors\.index\.json$/;

/** The weight files that an index names, relative to the folder. */
function shardsOf(folder: string, path: string): string[] {
  try {
    const { weight_map: map } = JSON.parse(readFileSync(join(folder, path), 'utf8')) as { weight_map?: object };
    return Object.values(map ?? {}).map((name) => join(path, '..', String(name)));
  } catch {
    return [];
  }
}

/** The model in the cache; undefined when it is not there, or lacks weights, a shard, or every file that is asked for. */
export function cachedModel(
  environment: Environment,
  model: HubModel,
  include: readonly string[] = [],
): CachedModel | undefined {
  const folder = cachedFolder(environment, model);
  if (folder === undefined) return undefined;
  const asked = isAsked(include);
  const files = filesOf(folder).filter(({ path }) => asked(path));
  const paths = new Set(files.map(({ path }) => path));
  const shards = files.flatMap(({ path }) => (index.test(path) ? shardsOf(folder, path) : []));
  const hasWeights = include.length > 0 ? paths.size > 0 : [...paths].some((path) => path.endsWith('.safetensors'));
  if (!hasWeights || !shards.every((shard) => paths.has(shard))) return undefined;
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { folder, commit: basename(folder), files: [...paths], bytes };
}
