/**
 * Rewrites the layers of a config in our keys. A name of TRL counts where the highest layer has it, as the command line of TRL
 * overrides its file; then its value overrides every lower layer, whatever name that one uses.
 */
import type { ConfigProblem } from '../errors.js';
import { describeValue } from '../shown.js';
import type { Alias, Option, Source } from './alias.js';
import { aliases } from './aliases.js';
import { Settings } from './given.js';
import { copyLayer, isPlainObject, type Layer, readPath, removePath, setPath, Undo } from './layer.js';
import { refuseMoved } from './moved.js';
import { batchAliases, translateBatchSizes } from './objective-aliases.js';
import { takesAt } from './option-types.js';
import { weighRewards } from './reward-aliases.js';
import { schemaRows } from './rows.js';
import { switches } from './run-aliases.js';
import { refuseOptions } from './trl-options.js';
import { writeOutKinds } from './unions.js';
import { settleWritten } from './written-layer.js';

/** A layer in our keys. */
export interface Resolved {
  readonly source: Source;
  readonly layer: Layer;
  /** The other program's name that set a path. */
  readonly names: Map<string, string>;
}

type Report = (rank: number, problems: readonly ConfigProblem[]) => void;

/** Replaces null by `Undo` at keys that a config may lack. */
function undoNulls(layer: Layer): void {
  for (const { path, isOptional, takesNull } of schemaRows().rows) {
    if (!isOptional || takesNull || readPath(layer, path) !== null) continue;
    removePath(layer, path);
    setPath(layer, path, new Undo());
  }
}

/** Copies a layer with its texts converted, and without keys of earlier versions. */
function prepare({ layer }: Source, report: (problems: readonly ConfigProblem[]) => void): Layer {
  const problems: ConfigProblem[] = [];
  const settled = settleWritten(copyLayer(layer), takesAt, problems);
  refuseMoved(settled, problems);
  writeOutKinds(settled);
  report(problems);
  return settled;
}

/** Sets the value of an alias; returns false when the layer holds another value at that path. */
function place({ layer, names }: Resolved, name: string, path: string, value: unknown): boolean {
  if (value === undefined) return true;
  const there = readPath(layer, path);
  if (there instanceof Undo && !(value instanceof Undo)) removePath(layer, path);
  if (setPath(layer, path, value)) {
    names.set(path, name);
    return true;
  }
  return value instanceof Undo || there === value;
}

/** Places the aliases of one layer, and returns what they imply. */
function placeAliases(
  resolved: Resolved,
  rank: number,
  settings: Settings,
): [ConfigProblem[], [string, string, unknown][]] {
  const problems: ConfigProblem[] = [];
  const implied: [string, string, unknown][] = [];
  for (const [name, alias] of Object.entries(aliases())) {
    const option = settings.options.get(name);
    if (option?.rank !== rank) continue;
    const problem = placeAlias(resolved, name, alias, option, settings);
    if (problem) problems.push(problem);
    if (option.value === null) continue;
    const further = Object.entries(alias.implies?.(option.value, settings) ?? {});
    implied.push(...further.map(([path, value]): [string, string, unknown] => [name, path, value]));
  }
  return [problems, implied];
}

function placeAlias(
  resolved: Resolved,
  name: string,
  { to, takesNull, translate }: Alias,
  { value }: Option,
  settings: Settings,
): ConfigProblem | undefined {
  const isDefault = value === null && !takesNull;
  const translated = isDefault ? { value: new Undo() } : (translate?.(value, settings) ?? { value });
  if ('problem' in translated) return { key: name, message: translated.problem };
  if (place(resolved, name, to, translated.value)) return undefined;
  return { key: name, message: `is another name of ${to}, which is set as well`, hint: 'keep one' };
}

/** Places TRL's switches: one that is off overrides its other names of the layer, and no key of ours. */
function placeSwitches({ layer, names }: Resolved, rank: number, settings: Settings): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const [name, { values, off, takes }] of Object.entries(switches)) {
    const option = settings.options.get(name);
    if (option?.rank !== rank || option.value === null) continue;
    const key = String(option.value);
    const setting = Object.hasOwn(values, key) ? values[key] : undefined;
    if (setting === undefined) {
      const words = takes.flag ? 'true or false' : `one of ${Object.keys(values).join(', ')}`;
      problems.push({ key: name, message: `must be ${words}, not ${describeValue(option.value)}` });
      continue;
    }
    const [path, value] = setting(settings) ?? [];
    if (path === undefined) continue;
    if (off.includes(key) && (names.has(path) || value instanceof Undo)) removePath(layer, path);
    if (setPath(layer, path, value)) names.set(path, name);
  }
  return problems;
}

/** Rewrites TRL's weights as those of the entries of `rewards`, in the higher of their two layers. */
function placeWeights(resolved: readonly Resolved[], settings: Settings, report: Report): void {
  const key = 'reward_weights';
  const option = settings.options.get(key);
  if (option === undefined || option.value === null) return;
  const at = resolved.findLastIndex(({ layer }) => layer.rewards !== undefined && !(layer.rewards instanceof Undo));
  // Rewards of a higher layer replace those that the weights belong to.
  if (at > option.rank && resolved[option.rank]?.layer.rewards !== undefined) return;
  const weighed = weighRewards(resolved[at]?.layer.rewards, option.value);
  const target = resolved[Math.max(at, option.rank)];
  if (weighed !== undefined && target !== undefined) target.layer.rewards = weighed;
  else report(option.rank, [{ key, message: 'needs one weight for each entry of `rewards`, in the same place' }]);
}

/** The highest layer that has one of TRL's batch sizes, which count together. */
function batchRank({ options }: Settings): number {
  const ranks = batchAliases.map((name) => options.get(name)).filter((option) => (option?.value ?? null) !== null);
  return Math.max(-1, ...ranks.map((option) => option?.rank ?? -1));
}

/** A key that replaces another one of a lower layer; the schema refuses both together, or ignores the second. */
const replaces: readonly (readonly [key: string, other: string])[] = [
  ['passes', 'updates'],
  ['optimizer.warmupUpdates', 'optimizer.warmupRatio'],
  ['optimizer.warmupRatio', 'optimizer.warmupUpdates'],
  ['data.test', 'data.testShare'],
  ['data.testShare', 'data.test'],
];

/** Removes the other key from the layers below the highest one that has the key. */
function replaceLower(resolved: readonly Resolved[]): void {
  for (const [key, other] of replaces) {
    const at = resolved.findLastIndex(({ layer }) => readPath(layer, key) !== undefined);
    const value = readPath(resolved[at]?.layer ?? {}, key);
    const isAlone = resolved.slice(Math.max(0, at)).every(({ layer }) => readPath(layer, other) === undefined);
    // 0 is the absence of a share, of a warm-up.
    if (!value || value instanceof Undo || !isAlone) continue;
    for (const { layer } of resolved.slice(0, at)) removePath(layer, other);
  }
}

/** Rewrites every layer in our keys, lowest first. Reports the problems of each name with the place of its layer. */
export function resolveSources(sources: readonly Source[], report: Report): readonly Resolved[] {
  const layers = sources.map((source, rank) => prepare(source, (problems) => report(rank, problems)));
  const settings = new Settings(layers);
  const resolved = layers.map((layer, rank) => ({
    source: sources[rank] as Source,
    layer,
    names: new Map<string, string>(),
  }));
  const batches = batchRank(settings);
  for (const [rank, one] of resolved.entries()) {
    undoNulls(one.layer);
    const [problems, implied] = placeAliases(one, rank, settings);
    if (rank === batches) translateBatchSizes(one.layer, settings, problems);
    // After all names: an explicit value overrides an implied one.
    for (const [name, path, value] of implied) {
      if (value !== undefined && setPath(one.layer, path, value)) one.names.set(path, name);
    }
    problems.push(...placeSwitches(one, rank, settings));
    refuseOptions(settings.options, rank, problems);
    report(rank, problems);
  }
  placeWeights(resolved, settings, report);
  replaceLower(resolved);
  return resolved;
}

/** Whether the layer sets a path, or a whole of which it is a part. */
export function setsPath(layer: Layer, path: string): boolean {
  let value: unknown = layer;
  for (const key of path.split('.')) {
    if (!isPlainObject(value)) return value !== undefined;
    value = Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value !== undefined && !(value instanceof Undo);
}
