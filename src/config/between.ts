/** Rules between keys of different sections. */
import type { z } from 'zod';
import type { objective } from '../policy/settings.js';
import { isPlainObject } from './layer.js';

type EvaluationKey = 'every' | 'atEnd' | 'atStart' | 'iterations' | 'at';

/** The keys that the rules read; each may be missing, or wrong by itself. */
export interface Related {
  readonly dynamicSampling?: unknown;
  readonly reward?: unknown;
  readonly advantage?: Readonly<Partial<Record<'aggregation' | 'baseline' | 'groupOfOne', unknown>>> | undefined;
  readonly updates?: unknown;
  readonly passes?: unknown;
  readonly task?: string | undefined;
  readonly data?: unknown;
  readonly verifier?: unknown;
  readonly rewards?: readonly unknown[] | undefined;
  readonly best?: { readonly metric?: unknown; readonly patience?: unknown } | undefined;
  readonly evaluation?: Readonly<Partial<Record<EvaluationKey, unknown>>> | undefined;
  readonly objective?: (Partial<z.output<typeof objective>> & { readonly miniBatches?: number }) | undefined;
  readonly optimizer?: { readonly warmupUpdates?: unknown; readonly warmupRatio?: unknown } | undefined;
  readonly startsPerBatch?: number | undefined;
  readonly groupSize?: number | undefined;
}

export interface Rule {
  /** The key that the problem is reported at. */
  readonly key: string;
  readonly message: string;
  readonly holds: (run: Related) => boolean;
  /** Skips the rule where a script passes reward functions beside the config. */
  readonly without?: 'rewards';
}

/** Whether a value is set, and neither 0 nor false. */
const isTrue = (value: unknown): boolean => Boolean(value);

const evaluates = (evaluation: Related['evaluation']): boolean =>
  isTrue(evaluation?.every) || isTrue(evaluation?.atStart) || isTrue(evaluation?.atEnd);

/** Whether a source has no file extension: it may be a folder with its own splits, which only reading shows. */
const hasFolder = (train: unknown): boolean =>
  Array.isArray(train) && train.some((path) => !/\.\w+$/.test(String(path)));

const sumsLast = (advantage: Related['advantage']): boolean => advantage?.aggregation === 'normalise-then-sum';

const isGiven = (value: unknown): boolean => value !== undefined;

export const rules: readonly Rule[] = [
  {
    key: 'updates',
    message: 'must be at least 1, or be omitted when `passes` is set',
    holds: ({ updates, passes }) => updates !== 0 || isGiven(passes),
  },
  {
    key: 'task',
    message: 'is required unless `data` is set',
    holds: ({ task, data }) => isGiven(task) || isGiven(data),
  },
  {
    key: 'data',
    message: 'the task `prompts` needs data.train',
    holds: ({ task, data }) => task !== 'prompts' || isGiven(data),
  },
  {
    key: 'task',
    message: 'defines its own tasks; remove `task` or `data`',
    holds: ({ task, data }) => !isGiven(data) || !isGiven(task) || task === 'prompts',
  },
  {
    key: 'rewards',
    message: 'data needs a reward function, or a verifier',
    holds: ({ data, verifier, rewards }) => !isGiven(data) || isGiven(verifier) || (rewards ?? []).length > 0,
    without: 'rewards',
  },
  {
    key: 'rewards',
    message: 'the built-in `quality` needs a verifier: without one, quality is measured by these functions',
    holds: ({ data, verifier, rewards }) =>
      !isGiven(data) ||
      isGiven(verifier) ||
      !(rewards ?? []).some((one) => isPlainObject(one) && one.builtIn === 'quality'),
  },
  {
    key: 'verifier',
    message: 'measures answers to data; set data as well',
    holds: ({ data, verifier }) => !isGiven(verifier) || isGiven(data),
  },
  {
    key: 'dynamicSampling',
    message:
      '`skip` changes the gradient of a KL penalty, an entropy bonus, entropy.topShare, and of mini-batches; use off or refill',
    holds: ({ dynamicSampling, objective }) =>
      dynamicSampling !== 'skip' ||
      !(
        isTrue(objective?.kl?.beta) ||
        isTrue(objective?.entropy?.coefficient) ||
        objective?.entropy?.control?.kind === 'adaptive' ||
        Number(objective?.entropy?.topShare ?? 1) < 1 ||
        Number(objective?.miniBatches ?? 1) > 1
      ),
  },
  {
    key: 'dynamicSampling',
    message: '`skip` changes the normaliser of blocks of rollouts; use off or refill',
    holds: ({ dynamicSampling, objective }) => dynamicSampling !== 'skip' || !isTrue(objective?.localRollouts),
  },
  {
    key: 'evaluation.at',
    message: 'a k to report is beyond evaluation.iterations',
    holds: ({ evaluation }) => {
      const { at, iterations } = evaluation ?? {};
      return !Array.isArray(at) || typeof iterations !== 'number' || at.every((k) => !(k > iterations));
    },
  },
  {
    key: 'evaluation.every',
    message: 'best.metric needs evaluations during training; set how often they run',
    holds: ({ best, evaluation }) => !isGiven(best?.metric) || isTrue(evaluation?.every) || isTrue(evaluation?.atEnd),
  },
  {
    key: 'best.metric',
    message: 'best.patience needs a metric to watch',
    holds: ({ best }) => !isTrue(best?.patience) || isGiven(best?.metric),
  },
  {
    key: 'data.test',
    message: 'evaluation during training needs held-out rows: data.test, data.testShare, or a folder with a test split',
    holds: ({ data, evaluation }) =>
      !isPlainObject(data) ||
      !evaluates(evaluation) ||
      isGiven(data.test) ||
      isTrue(data.testShare) ||
      hasFolder(data.train),
  },
  {
    key: 'objective.correction.kind',
    message: '`vespo` already weights whole sequences; set correction to token or none',
    holds: ({ objective }) => objective?.loss?.kind !== 'vespo' || objective.correction?.kind !== 'sequence',
  },
  {
    key: 'objective.entropy.control.min',
    message: 'is above max',
    holds: ({ objective }) => {
      const control = objective?.entropy?.control;
      return control?.kind !== 'adaptive' || Number(control.min ?? 0) <= Number(control.max ?? 1);
    },
  },
  {
    key: 'objective.correction.min',
    message: 'is above max',
    holds: ({ objective }) => {
      const { min, max } = { min: null, max: 3, ...objective?.correction };
      return min === null || max === null || !(Number(min) > Number(max));
    },
  },
  {
    key: 'objective.kl.clamp',
    message: 'bounds a penalty that beta: 0 disables; set objective.kl.beta, or remove clamp',
    holds: ({ objective }) => !isTrue(objective?.kl?.clamp) || isTrue(objective?.kl?.beta),
  },
  {
    key: 'advantage.aggregation',
    message:
      '`normalise-then-sum` normalises each reward function: it needs `rewards`, and excludes `reward: improvement`',
    holds: ({ advantage, rewards, reward }) =>
      !sumsLast(advantage) || ((rewards ?? []).length > 0 && reward !== 'improvement'),
  },
  {
    key: 'advantage.baseline',
    message: '`normalise-then-sum` computes its own standard deviations; leave the baseline `std`',
    holds: ({ advantage }) => !sumsLast(advantage) || (advantage?.baseline ?? 'std') === 'std',
  },
  {
    key: 'dynamicSampling',
    message: '`skip` drops groups that the standard deviation of `normalise-then-sum` includes; use refill or off',
    holds: ({ advantage, dynamicSampling }) => !sumsLast(advantage) || dynamicSampling !== 'skip',
  },
  {
    key: 'objective.correction.kind',
    message:
      'corrects the difference between behaviour policy and trainer, which oldPolicy: behaviour does not compute; choose one',
    holds: ({ objective }) => objective?.oldPolicy !== 'behaviour' || (objective.correction?.kind ?? 'none') === 'none',
  },
  {
    key: 'groupSize',
    message:
      "a group of one has nothing to compare with, so every advantage is 0; set at least 2, or advantage.groupOfOne: 'reward' without `normalise-then-sum`",
    holds: ({ groupSize, advantage }) =>
      groupSize !== 1 || (advantage?.groupOfOne === 'reward' && !sumsLast(advantage)),
  },
  {
    key: 'objective.miniBatches',
    message: 'exceeds the number of rollouts in a batch',
    holds: ({ objective, startsPerBatch = 1, groupSize = 1 }) =>
      (objective?.miniBatches ?? 1) <= startsPerBatch * groupSize,
  },
  {
    key: 'optimizer.warmupRatio',
    message: 'sets the same warm-up as warmupUpdates; keep one of them',
    holds: ({ optimizer }) => !(Number(optimizer?.warmupUpdates) > 0 && Number(optimizer?.warmupRatio) > 0),
  },
];
