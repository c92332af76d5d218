/** Translates the names of transformers' TrainingArguments and TRL's GRPOConfig for length, evaluation, saving and logging. */
import type { ConfigProblem } from '../errors.js';
import { type Alias, choice, type Translation } from './alias.js';
import { type Layer, removePath, setPath } from './layer.js';

/** Translates trackers: metrics are written to files, and TensorBoard is the only tracker that reads one. */
const reportTo: Translation = (value) => {
  const trackers = [value].flat().filter((name) => name !== 'none');
  const [other] = trackers.filter((name) => name !== 'tensorboard');
  if (other === undefined) return { value: trackers.length > 0 };
  return {
    problem: `${JSON.stringify(other)} is not supported; use tensorboard or none, or upload metrics.jsonl yourself`,
  };
};

export const runAliases: Readonly<Record<string, Alias>> = {
  report_to: { to: 'tensorboard', translate: reportTo },
  bf16: { to: 'dtype', translate: choice({ true: 'bfloat16', false: 'float32' }) },
  use_cpu: { to: 'device', translate: choice({ true: 'cpu', false: undefined }) },
  // -1 leaves the number of updates to the passes.
  max_steps: { to: 'updates', translate: (value) => ({ value: Number(value) === -1 ? undefined : value }) },
};

/** The path and value that each value of TRL's switch sets; `undefined` sets nothing. */
interface Switch {
  readonly key: string;
  readonly values: Readonly<Record<string, readonly [path: string, value: unknown] | undefined>>;
}

const switches: readonly Switch[] = [
  { key: 'shuffle_dataset', values: { true: ['taskOrder', 'shuffled'], false: ['taskOrder', 'sequential'] } },
  { key: 'eval_strategy', values: { no: ['evaluation.every', 0], steps: undefined } },
  // `best` saves after the best evaluation so far, as every run with `best.metric` does.
  { key: 'save_strategy', values: { no: ['checkpoint.every', 0], best: ['checkpoint.every', 0], steps: undefined } },
  { key: 'load_best_model_at_end', values: { true: ['best.metric', 'eval_reward'], false: undefined } },
  { key: 'log_completions', values: { true: ['logCompletions', 4], false: undefined } },
];

export const switchNames: readonly string[] = [...switches.map(({ key }) => key), 'reward_weights'];

/** Moves TRL's list of weights into the entries of `rewards`. */
function translateWeights(layer: Layer, problems: ConfigProblem[]): void {
  const key = 'reward_weights';
  const weights = removePath(layer, key);
  if (weights === undefined || weights === null) return;
  const { rewards } = layer;
  if (!Array.isArray(weights) || !Array.isArray(rewards) || weights.length !== rewards.length) {
    problems.push({ key, message: 'needs one weight for each entry of `rewards`, in the same place' });
    return;
  }
  layer.rewards = rewards.map((entry: unknown, at) => {
    const settings = typeof entry === 'object' && entry !== null ? entry : parseEntry(entry);
    return { ...settings, weight: weights[at] as unknown };
  });
}

/** Parses a text as a file, by its extension, as a file with the name of its export (`rewards.ts#accuracy`), or as built-in. */
export function parseEntry(
  entry: unknown,
): { readonly file: unknown; readonly export?: string } | { readonly builtIn: unknown } {
  const [, file, name] = /^(.+\.[cm]?[jt]s)#([\p{L}_$][\p{L}\p{N}_$]*)$/u.exec(String(entry)) ?? [];
  if (file !== undefined && name !== undefined) return { file, export: name };
  return /\.[cm]?[jt]s$/.test(String(entry)) ? { file: entry } : { builtIn: entry };
}

/** Rewrites switches in place; our own key in the same layer overrides the value of a switch. */
export function translateSwitches(layer: Layer, problems: ConfigProblem[]): void {
  for (const { key, values } of switches) {
    const value = removePath(layer, key);
    if (value === undefined) continue;
    const meant = values[String(value)];
    if (!Object.hasOwn(values, String(value))) {
      problems.push({ key, message: `${JSON.stringify(value)} is not one of ${Object.keys(values).join(', ')}` });
    } else if (meant !== undefined) setPath(layer, ...meant);
  }
  translateWeights(layer, problems);
}
