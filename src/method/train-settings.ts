/** The sections of a config that a training run reads; the schema has their defaults and what they mean. */
import type { RunConfig } from '../config/parse.js';
import type { OptimizerSettings } from '../policy/policy.js';

/** Linear warm-up to `learningRate`, then `schedule` down to `finalShare` of it at the last update. */
export type ScheduledOptimizer = OptimizerSettings &
  Readonly<
    Pick<RunConfig['optimizer'], 'warmupUpdates' | 'schedule' | 'finalShare'> &
      Partial<Pick<RunConfig['optimizer'], 'warmupRatio' | 'countFrom'>>
  >;

export type DiversitySettings = RunConfig['diversity'];
export type BestSettings = RunConfig['best'];
export type CheckpointSettings = RunConfig['checkpoint'];
/** Which rollouts are written to traces.jsonl: none, one group per update, or all. */
export type Traces = RunConfig['traces'];

/** Keys that belong to the command line, to the task, or to evaluation only. */
type Elsewhere = 'recipe' | 'task' | 'data' | 'chat' | 'verifier' | 'model' | 'passes' | 'reward' | 'rewards' | 'lora';

export type TrainSettings = Readonly<
  Omit<RunConfig, Elsewhere | 'device' | 'dtype' | 'threads' | 'evaluation' | 'name' | 'logEvery' | 'logCompletions'>
>;
