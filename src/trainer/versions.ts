/** The programs that a checkpoint was written by. Other versions may compute other bits, which is said, not refused. */
import { packageVersion } from '../libtorch.js';
import { loadedLibtorch } from '../native.js';

export interface Versions {
  readonly package: string;
  readonly node: string;
  /** Absent where no libtorch is loaded, or it does not say. */
  readonly libtorch?: string;
}

export function currentVersions(): Versions {
  const libtorch = loadedLibtorch()?.version;
  return { package: packageVersion(), node: process.versions.node, ...(libtorch !== undefined && { libtorch }) };
}

/** The programs whose version is another now, as a phrase; undefined when none is. */
export function changedVersions(before: Versions, now: Versions): string | undefined {
  const names = ['package', 'node', 'libtorch'] as const;
  const changed = names.filter((name) => before[name] && now[name] && before[name] !== now[name]);
  return changed.length === 0 ? undefined : changed.map((name) => `${name} ${before[name]} -> ${now[name]}`).join(', ');
}
