/** Translates the names of transformers' TrainingArguments and TRL's GRPOConfig for length, evaluation, saving and logging. */
import { type Alias, choice, type Given, type Translation } from './alias.js';
import { Undo } from './layer.js';
import { rewardFunctions } from './reward-aliases.js';
import { type Takes, takesAny, takesFlag, takesNumber, takesText, takesTexts } from './takes.js';

/** Translates trackers: metrics are written to files, and TensorBoard is the only tracker that reads one. */
const reportTo: Translation = (value) => {
  const trackers = [value].flat().filter((name) => name !== 'none');
  const [other] = trackers.filter((name) => name !== 'tensorboard');
  if (other === undefined) return { value: trackers.length > 0 };
  return {
    problem: `${JSON.stringify(other)} is not supported; use tensorboard or none, or upload metrics.jsonl yourself`,
  };
};

/** False leaves every other device. */
const onlyCpu = { takes: takesFlag, translate: choice({ true: 'cpu', false: new Undo((lower) => lower === 'cpu') }) };

const precisions = choice({
  auto: 'auto',
  ...{ bfloat16: 'bfloat16', 'torch.bfloat16': 'bfloat16', bf16: 'bfloat16' },
  ...{ float32: 'float32', 'torch.float32': 'float32', fp32: 'float32' },
});

export const runAliases: Readonly<Record<string, Alias>> = {
  report_to: { to: 'tensorboard', takes: takesTexts, translate: reportTo },
  bf16: { to: 'dtype', takes: takesFlag, translate: choice({ true: 'bfloat16', false: 'float32' }) },
  torch_dtype: { to: 'dtype', takes: takesText, translate: precisions },
  use_cpu: { to: 'device', ...onlyCpu },
  no_cuda: { to: 'device', ...onlyCpu },
  // -1 leaves the number of updates to the passes.
  max_steps: { to: 'updates', translate: (value) => ({ value: Number(value) === -1 ? new Undo() : value }) },
  reward_funcs: { to: 'rewards', takes: takesTexts, translate: rewardFunctions },
};

/** The path and value that a value of TRL's switch sets; `undefined` sets nothing. */
type Setting = readonly [path: string, value: unknown] | undefined;

export interface Switch {
  readonly takes: Takes;
  /** The setting of each value. `given` has the settings of all layers. */
  readonly values: Readonly<Record<string, (given: Given) => Setting>>;
  /** Values that override TRL's other names of the same layer: `log_completions: false` prints nothing. */
  readonly off: readonly string[];
}

const nothing = (): Setting => undefined;
const set = (path: string, value: unknown) => (): Setting => [path, value];

/** Sets the value unless the path has one that is not 0. */
const unlessSet =
  (path: string, value: (given: Given) => unknown) =>
  (given: Given): Setting =>
    given.at(path) ? undefined : [path, value(given)];

/** Undoes a 0 of a lower layer. */
const notZero = (path: string) => set(path, new Undo((lower) => lower === 0));

const never = set('evaluation.every', 0);
const noneSaved = set('checkpoint.every', 0);

export const switches: Readonly<Record<string, Switch>> = {
  shuffle_dataset: {
    takes: takesFlag,
    values: { true: set('taskOrder', 'shuffled'), false: set('taskOrder', 'sequential') },
    off: [],
  },
  eval_strategy: {
    takes: takesText,
    // YAML 1.1 reads `no` as false. Without eval_steps transformers takes logging_steps, whose default is 10 in TRL.
    values: {
      no: never,
      false: never,
      steps: unlessSet('evaluation.every', (given) => given.at('logEvery') ?? 10),
    },
    off: ['no', 'false'],
  },
  save_strategy: {
    takes: takesText,
    // `best` saves after the best evaluation so far, as every run with `best.metric` does.
    values: { no: noneSaved, false: noneSaved, best: noneSaved, steps: notZero('checkpoint.every') },
    off: ['no', 'false', 'best'],
  },
  load_best_model_at_end: {
    takes: takesFlag,
    values: { true: unlessSet('best.metric', () => 'eval_reward'), false: nothing },
    off: [],
  },
  log_completions: {
    takes: takesFlag,
    values: { true: unlessSet('logCompletions', () => 4), false: set('logCompletions', 0) },
    off: ['false'],
  },
  sync_ref_model: {
    takes: takesFlag,
    values: { true: notZero('reference.blendEvery'), false: set('reference.blendEvery', 0) },
    off: ['false'],
  },
  use_peft: { takes: takesFlag, values: { true: set('lora', {}), false: set('lora', new Undo()) }, off: ['false'] },
};

/** The types of names that `switches` and `translateWeights` read. */
export const switchTakes: Readonly<Record<string, Takes>> = {
  ...Object.fromEntries(Object.entries(switches).map(([name, { takes }]) => [name, takes])),
  reward_weights: { list: takesNumber },
  generation_kwargs: takesAny,
};
