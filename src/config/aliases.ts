/**
 * Names that users of TRL and prime-rl bring along, as paths of our schema.
 * A layer (file, environment, flags) is rewritten before layers are merged, so that
 * `--max_steps 5` goes before a file's `updates`.
 */
import type { ConfigProblem } from '../errors.js';
import type { Alias, Translation } from './alias.js';
import { isPlainObject, type Layer, removePath, setPath } from './layer.js';
import { objectiveAliases, translateBatchSizes } from './objective-aliases.js';
import { runAliases, translateSwitches } from './run-aliases.js';
import { refuseOptions } from './trl-options.js';

/** prime-rl counts rollouts where we count starts. */
const rolloutsToStarts: Translation = (value, layer) => {
  const size = Number(layer.rollouts_per_example ?? layer.num_generations ?? layer.groupSize ?? Number.NaN);
  const starts = Number(value) / size;
  if (Number.isInteger(starts) && starts > 0) return { value: starts };
  return { problem: 'counts rollouts: it needs a group size beside it that divides it; or set startsPerBatch' };
};

/** prime-rl lists environments; a run trains one task. */
const onlyEnvironment: Translation = (value) => {
  const list = Array.isArray(value) ? value : [value];
  const [first] = list;
  if (list.length === 1 && isPlainObject(first) && typeof first.id === 'string') return { value: first.id };
  return { problem: 'needs exactly one entry with an `id`; or set task' };
};

export const aliases: Readonly<Record<string, Alias>> = {
  num_generations: { to: 'groupSize' },
  rollouts_per_example: { to: 'groupSize' },
  batch_size: { to: 'startsPerBatch', translate: rolloutsToStarts },
  env: { to: 'task', translate: onlyEnvironment },
  max_completion_length: { to: 'sampling.maxNewTokens' },
  temperature: { to: 'sampling.temperature' },
  top_k: { to: 'sampling.topK' },
  top_p: { to: 'sampling.topP' },
  min_p: { to: 'sampling.minP' },
  'generation_kwargs.stop': { to: 'sampling.stop' },
  // transformers leaves the text in, vLLM does not.
  'generation_kwargs.stop_strings': { to: 'sampling.stop', implies: () => ({ 'sampling.includeStopText': true }) },
  'generation_kwargs.include_stop_str_in_output': { to: 'sampling.includeStopText' },
  'generation_kwargs.stop_token_ids': { to: 'sampling.stopTokenIds' },
  'sampling.include_stop_str_in_output': { to: 'sampling.includeStopText' },
  'sampling.max_tokens': { to: 'sampling.maxNewTokens' },
  'sampling.top_k': { to: 'sampling.topK' },
  'sampling.top_p': { to: 'sampling.topP' },
  'sampling.min_p': { to: 'sampling.minP' },
  ...objectiveAliases,
  learning_rate: { to: 'optimizer.learningRate' },
  adam_beta1: { to: 'optimizer.adamBeta1' },
  adam_beta2: { to: 'optimizer.adamBeta2' },
  adam_epsilon: { to: 'optimizer.adamEpsilon' },
  weight_decay: { to: 'optimizer.weightDecay' },
  max_grad_norm: { to: 'optimizer.maxGradNorm' },
  mask_truncated_completions: { to: 'overlongFilter' },
  ref_model_sync_steps: { to: 'reference.blendEvery' },
  ref_model_mixup_alpha: { to: 'reference.alpha' },
  lora_r: { to: 'lora.rank' },
  lora_alpha: { to: 'lora.alpha' },
  lora_dropout: { to: 'lora.dropout' },
  lora_target_modules: { to: 'lora.targetModules' },
  use_rslora: { to: 'lora.rankStabilised' },
  save_steps: { to: 'checkpoint.every' },
  save_total_limit: { to: 'checkpoint.keep' },
  eval_steps: { to: 'evaluation.every' },
  'eval.interval': { to: 'evaluation.every' },
  ...runAliases,
};

/** TRL's switch for reference blending: off means never, on keeps `blendEvery`. */
function translateSync(layer: Layer, problems: ConfigProblem[]): void {
  const value = layer.sync_ref_model;
  if (value === undefined) return;
  removePath(layer, 'sync_ref_model');
  if (typeof value !== 'boolean') problems.push({ key: 'sync_ref_model', message: 'must be true or false' });
  else if (!value) setPath(layer, 'reference.blendEvery', 0);
}

/** TRL's switch for adapters: on takes the defaults for what is not said, off trains all weights whatever is said. */
function translatePeft(layer: Layer, problems: ConfigProblem[]): void {
  const value = layer.use_peft;
  if (value === undefined) return;
  removePath(layer, 'use_peft');
  if (typeof value !== 'boolean') problems.push({ key: 'use_peft', message: 'must be true or false' });
  else if (value) setPath(layer, 'lora', {});
  else removePath(layer, 'lora');
}

/** Sets what an alias says; false when it contradicts what the layer says elsewhere. */
function place(layer: Layer, path: string, value: unknown): boolean {
  if (value === undefined || setPath(layer, path, value)) return true;
  const there = removePath(layer, path);
  setPath(layer, path, there);
  return there === value;
}

/** A copy of `layer` with every alias rewritten to our own key; what could not be rewritten goes to `problems`. */
export function resolveAliases(layer: Layer, problems: ConfigProblem[]): Layer {
  const resolved = structuredClone(layer);
  translateBatchSizes(resolved, problems);
  const implied: [string, unknown][] = [];
  for (const [name, alias] of Object.entries(aliases)) {
    const value = removePath(resolved, name);
    if (value === undefined || (value === null && !alias.takesNull)) continue;
    const translated = alias.translate?.(value, layer) ?? { value };
    if ('problem' in translated) problems.push({ key: name, message: translated.problem });
    else if (!place(resolved, alias.to, translated.value)) {
      problems.push({ key: name, message: `is another name of ${alias.to}, which is given as well`, hint: 'keep one' });
    }
    implied.push(...Object.entries(alias.implies?.(value, layer) ?? {}));
  }
  // After all names: what is only implied gives way to what is said.
  for (const [path, value] of implied) if (value !== undefined) setPath(resolved, path, value);
  translateSync(resolved, problems);
  translatePeft(resolved, problems);
  translateSwitches(resolved, problems);
  refuseOptions(resolved, problems);
  return resolved;
}
