/** Which differences a resumed run may have from the run that it goes on with. */
import { RunFolderError } from '../errors.js';
import { canonicalJson } from './fingerprint.js';
import type { RunIdentity } from './state.js';

// Where the weights lie is told by their fingerprint; the rest changes what is kept, not what is computed.
const freeFields = new Set([
  'model',
  'diversity.embedder.model',
  'recipe',
  'traces',
  'tensorboard',
  'checkpoint.every',
  'checkpoint.keep',
  'logEvery',
  'logCompletions',
  'name',
  'passes',
  'checkpoint.asynchronous',
]);

/** Dotted paths of all leaves; lists count as leaves. */
function flatten(value: unknown, prefix = ''): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[prefix, canonicalJson(value)]];
  return Object.entries(value).flatMap(([key, child]) => flatten(child, prefix === '' ? key : `${prefix}.${key}`));
}

export interface Change {
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** Config fields that differ, but for those that may. */
function changedFields(before: RunIdentity['config'], after: RunIdentity['config']): Change[] {
  const old = new Map(flatten(before));
  const current = new Map(flatten(after));
  return [...new Set([...old.keys(), ...current.keys()])]
    .filter((field) => !freeFields.has(field) && old.get(field) !== current.get(field))
    .map((field) => ({ field, before: old.get(field) ?? 'absent', after: current.get(field) ?? 'absent' }));
}

function changesOf(before: RunIdentity, after: RunIdentity): Change[] {
  const hashes = (['model', 'tokenizer', 'tasks'] as const)
    // The model that the run began with is not needed any more: the checkpoint holds the weights.
    .filter((field) => after[field] !== '' && before[field] !== after[field])
    .map((field) => ({ field, before: before[field].slice(0, 12), after: after[field].slice(0, 12) }));
  return [...changedFields(before.config, after.config), ...hashes];
}

/** @throws RunFolderError naming every changed field that is not in `allowed`. */
export function refuseChanges(run: string, before: RunIdentity, after: RunIdentity, allowed: readonly string[]): void {
  const refused = changesOf(before, after).filter(({ field }) => !allowed.includes(field));
  if (refused.length === 0) return;
  const list = refused.map(({ field, before: old, after: now }) => `${field} (${old} -> ${now})`).join(', ');
  const fix = `go on as it was, or allow it: ${refused.map(({ field }) => `--allow-change ${field}`).join(' ')}`;
  throw new RunFolderError(`${run}: changed since the checkpoint: ${list}; ${fix}`, { run, changes: refused });
}
