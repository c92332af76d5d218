/** The sections of a config that training reads; the schema documents them and has their defaults. */
import type { RunConfig } from '../config/parse.js';
import type { OptimizerSettings } from '../policy/policy.js';

/** Linear warm-up to `learningRate`, then `schedule` down to `finalShare` of it at the last update. */
export type ScheduledOptimizer = OptimizerSettings &
  Readonly<
    Pick<RunConfig['optimizer'], 'warmupUpdates' | 'schedule' | 'finalShare'> &
      Partial<Pick<RunConfig['optimizer'], 'warmupRatio' | 'countFrom'>>
  >;

/** Keys that only the assembly of a run, the command line or evaluation reads. */
type Elsewhere = 'recipe' | 'task' | 'data' | 'chat' | 'verifier' | 'model' | 'passes' | 'reward' | 'rewards' | 'lora';

/** The part of a run's config that `train` reads: method, objective, optimizer, curriculum, sampling and records. */
export type TrainSettings = Readonly<
  Omit<RunConfig, Elsewhere | 'device' | 'dtype' | 'threads' | 'evaluation' | 'name' | 'logEvery' | 'logCompletions'>
>;

/** The settings of the method: those of training without those of the run folder. */
export type MethodSettings = Omit<TrainSettings, 'best' | 'checkpoint' | 'traces' | 'tensorboard'>;
