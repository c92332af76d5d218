/**
 * Rewrites the names of TRL and prime-rl as paths of our schema.
 * Each layer (file, environment, flags) is rewritten before the layers are merged, so that `--max_steps 5` overrides a file's
 * `updates`.
 */
import type { ConfigProblem } from '../errors.js';
import type { Alias, Translation } from './alias.js';
import { isPlainObject, type Layer, removePath, setPath } from './layer.js';
import { refuseMoved } from './moved.js';
import { objectiveAliases, translateBatchSizes } from './objective-aliases.js';
import { schemaRows } from './rows.js';
import { runAliases, translateSwitches } from './run-aliases.js';
import { refuseOptions } from './trl-options.js';
import { writeOutKinds } from './unions.js';

/** prime-rl counts rollouts where we count starts. */
const rolloutsToStarts: Translation = (value, layer) => {
  const size = Number(layer.rollouts_per_example ?? layer.num_generations ?? layer.groupSize ?? Number.NaN);
  const starts = Number(value) / size;
  if (Number.isInteger(starts) && starts > 0) return { value: starts };
  return { problem: 'counts rollouts: add a group size that divides it, or set startsPerBatch' };
};

/** prime-rl lists environments; a run trains one task. */
const onlyEnvironment: Translation = (value) => {
  const list = Array.isArray(value) ? value : [value];
  const [first] = list;
  if (list.length === 1 && isPlainObject(first) && typeof first.id === 'string') return { value: first.id };
  return { problem: 'needs exactly one entry with an `id`; otherwise set task' };
};

/** Names whose values are translated, or that set several keys. */
const translated: Readonly<Record<string, Alias>> = {
  batch_size: { to: 'startsPerBatch', translate: rolloutsToStarts },
  env: { to: 'task', translate: onlyEnvironment },
  // transformers keeps the stop text in the completion, vLLM does not.
  'generation_kwargs.stop_strings': { to: 'sampling.stop', implies: () => ({ 'sampling.includeStopText': true }) },
  ...objectiveAliases,
  ...runAliases,
};

const plainAliases = (): [string, Alias][] =>
  schemaRows().rows.flatMap(({ path, trl, takesNull }) =>
    trl.map((name): [string, Alias] => [name, { to: path, takesNull }]),
  );

let table: Readonly<Record<string, Alias>> | undefined;

/** Returns every alias by name: the schema's column `trl`, and those that are translated. */
export function aliases(): Readonly<Record<string, Alias>> {
  table ??= { ...Object.fromEntries(plainAliases()), ...translated };
  return table;
}

/** Rewrites TRL's switch for reference blending: false never blends, true keeps `blendEvery`. */
function translateSync(layer: Layer, problems: ConfigProblem[]): void {
  const value = layer.sync_ref_model;
  if (value === undefined) return;
  removePath(layer, 'sync_ref_model');
  if (typeof value !== 'boolean') problems.push({ key: 'sync_ref_model', message: 'must be true or false' });
  else if (!value) setPath(layer, 'reference.blendEvery', 0);
}

/** Rewrites TRL's switch for adapters: true fills in defaults, false trains all weights and overrides every key of `lora`. */
function translatePeft(layer: Layer, problems: ConfigProblem[]): void {
  const value = layer.use_peft;
  if (value === undefined) return;
  removePath(layer, 'use_peft');
  if (typeof value !== 'boolean') problems.push({ key: 'use_peft', message: 'must be true or false' });
  else if (value) setPath(layer, 'lora', {});
  else removePath(layer, 'lora');
}

/** Sets the value of an alias; returns false when the layer holds another value at that path. */
function place(layer: Layer, path: string, value: unknown): boolean {
  if (value === undefined || setPath(layer, path, value)) return true;
  const there = removePath(layer, path);
  setPath(layer, path, there);
  return there === value;
}

/**
 * Returns a copy of `layer` with every alias rewritten to our own key. Adds failures to `problems`, and every key that an
 * alias set to `borrowed`.
 */
export function resolveAliases(layer: Layer, problems: ConfigProblem[], borrowed = new Set<string>()): Layer {
  const resolved = structuredClone(layer);
  refuseMoved(resolved, problems);
  writeOutKinds(resolved);
  translateBatchSizes(resolved, problems);
  const implied: [string, unknown][] = [];
  for (const [name, alias] of Object.entries(aliases())) {
    const value = removePath(resolved, name);
    if (value === undefined || (value === null && !alias.takesNull)) continue;
    const translated = alias.translate?.(value, layer) ?? { value };
    if ('problem' in translated) problems.push({ key: name, message: translated.problem });
    else if (!place(resolved, alias.to, translated.value)) {
      problems.push({ key: name, message: `is another name of ${alias.to}, which is set as well`, hint: 'keep one' });
    } else borrowed.add(alias.to);
    implied.push(...Object.entries(alias.implies?.(value, layer) ?? {}));
  }
  // After all names: an explicit value overrides an implied one.
  for (const [path, value] of implied) if (value !== undefined) setPath(resolved, path, value);
  translateSync(resolved, problems);
  translatePeft(resolved, problems);
  translateSwitches(resolved, problems);
  refuseOptions(resolved, problems);
  return resolved;
}
