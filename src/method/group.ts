/** A group: the rollouts that share one start, their rewards, and the learnability score of the start. */
import {
  abortSignal,
  anyRecord,
  type Fields,
  type Kind,
  oneOf,
  positiveNumber,
  record,
  required,
  requireParts,
} from '../arguments.js';
import { ConfigError, type RewardError } from '../errors.js';
import { samplingFields } from '../policy/generation.js';
import {
  type NamedReward,
  namedReward,
  type RewardColumn,
  type RewardOutcome,
  rewardAnswers,
} from '../reward/named.js';
import { type Answered, improvementReward, type Reward } from '../reward/reward.js';
import { rewardArgument } from '../reward/reward-kinds.js';
import { requireFamily } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import { dropsGroup, type Outcome, paperScore, type ScoreSettings } from './outcome.js';
import { generatorPart, rngPart } from './part-kinds.js';
import { type Rollout, type RolloutOptions, rolloutStart, type Start, withQuality } from './rollout.js';
import { scoreGroup } from './score.js';

/** The G rollouts of one start, with their rewards and qualities (length G, in the order of the rollouts) and its score S. */
export interface Group {
  readonly start: Start;
  readonly rollouts: readonly Rollout[];
  /** R of every rollout; NaN where the rollout failed, or where every reward function returned null. */
  readonly rewards: Float64Array;
  /** Quality of every rollout in [0, 1]; NaN where it is unknown. */
  readonly qualities: Float64Array;
  /** S: population variance of the qualities, at most 0.25; NaN where too few of them are known. */
  readonly score: number;
  /** The rewards of each function. */
  readonly columns: readonly RewardColumn[];
}

/** The reward functions, and the number that training takes from them: their sum or the improvement of quality. */
export interface RewardPlan {
  readonly functions: readonly NamedReward[];
  /** `sum` trains on R; `improvement` on the gain of quality where the intent is `improve`. */
  readonly trained: 'sum' | 'improvement';
}

/** The start to roll out, the number of rollouts, and the reward of each. */
export interface GroupOptions extends RolloutOptions {
  /** A single reward, or the named functions of a run. */
  readonly reward: Reward | RewardPlan;
  /** Which bad answers the score counts; by default all, as quality 0. */
  readonly score?: ScoreSettings;
}

/** A single reward, or a plan. */
const rewardOrPlan: Kind = {
  words: `${rewardArgument.words}, or a plan of rewards`,
  fits: (value) =>
    rewardArgument.fits(value) || (anyRecord.fits(value) && Array.isArray((value as RewardPlan).functions)),
};

const scoreFields: Fields<ScoreSettings> = {
  overlong: required(oneOf('include', 'exclude')),
  unreadable: required(oneOf('include', 'exclude')),
};

const groupParts = {
  policy: required(generatorPart),
  family: required(anyRecord),
  start: required(anyRecord),
  size: required(positiveNumber),
  sampling: required(record(samplingFields)),
  rng: required(rngPart),
  reward: required(rewardOrPlan),
  score: record(scoreFields),
  signal: abortSignal,
};

/**
 * Rolls out one group: G rollouts of the start, their rewards, and the start's learnability score S. A failing rollout or
 * reward is data (`outcome`), not an exception.
 * @throws CancelledError when the signal fires, NativeError when the engine fails, InvalidRequestError for a part that
 * is missing or wrong.
 *
 * @example
 * import { codeBreaker, LocalPolicy, shippedModel } from 'exit-rl';
 * import { createRng, emptyHistory, rolloutGroup } from 'exit-rl/method';
 *
 * const family = codeBreaker();
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * const [task] = family.tasks('train');
 * if (task === undefined) throw new Error('code breaker has no tasks');
 * const group = await rolloutGroup({
 *   policy,
 *   family,
 *   start: { task, history: emptyHistory, intent: 'attempt' },
 *   size: 4,
 *   sampling: { temperature: 1, maxNewTokens: 6 },
 *   rng: createRng(1),
 *   reward: 'quality',
 * });
 * console.log(group.rewards, group.score);
 * await policy.close();
 */
export async function rolloutGroup(options: GroupOptions): Promise<Group> {
  requireParts('rolloutGroup', options, groupParts);
  requireFamily(options.family);
  const { reward, family, score } = options;
  const [group] = await rewardGroups(rewardPlan(reward), family, [await rolloutStart(options)], score);
  return group as Group;
}

/** Wraps a single reward as a plan; returns a plan unchanged. */
export function rewardPlan(reward: Reward | RewardPlan): RewardPlan {
  if (typeof reward === 'object' && 'functions' in reward) return reward;
  return { functions: [namedReward(reward)], trained: 'sum' };
}

export interface RewardPlanOptions {
  readonly config: { readonly reward: Reward };
  readonly family: Pick<TaskFamily, 'name' | 'measuredBy'>;
  readonly reward?: Reward;
  readonly rewards?: readonly NamedReward[];
}

/** Creates the plan of a run's rewards. @throws ConfigError when rewards measure quality and quality is the reward. */
export function createRewardPlan({ config, family, reward, rewards = [] }: RewardPlanOptions): RewardPlan {
  if (rewards.length > 0) {
    return { functions: rewards, trained: config.reward === 'improvement' ? 'improvement' : 'sum' };
  }
  const plan = rewardPlan(reward ?? config.reward);
  if (family.measuredBy !== 'rewards' || reward !== undefined) return plan;
  throw new ConfigError([
    { key: 'rewards', message: `${family.name} needs a reward function, which measures its quality` },
  ]);
}

/**
 * Rewards the rollouts, one list for each start, and returns their groups. Every rollout that did not fail gets its reward;
 * a failing reward function fails its rollout.
 */
export async function rewardGroups(
  plan: RewardPlan,
  family: Pick<TaskFamily, 'prompt' | 'measuredBy'>,
  rolledOut: readonly (readonly Rollout[])[],
  score: ScoreSettings = paperScore,
): Promise<readonly Group[]> {
  const answered = rolledOut.map((rollouts) =>
    toAnswered(
      family,
      rollouts.filter((one) => !hasFailed(one)),
    ),
  );
  const { columns, outcomes } = await rewardAnswers(plan.functions, answered);
  let next = 0;
  return rolledOut.map((rollouts) => {
    const first = next;
    const finished = rollouts.map((rollout) => {
      return hasFailed(rollout)
        ? { rollout, reward: Number.NaN }
        : applyReward(plan, family, rollout, outcomes[next++]);
    });
    return createGroup(
      finished,
      columns.map((column) => sliceColumn(column, first, next)),
      score,
    );
  });
}

/** Converts the rollouts of one start to the answers that reward functions take. */
function toAnswered(family: Pick<TaskFamily, 'prompt'>, rollouts: readonly Rollout[]): Answered[] {
  const start = rollouts[0]?.start;
  if (start === undefined) return [];
  const prompt = family.prompt(start.task, start.history, start.intent);
  return rollouts.map((rollout) => ({
    task: start.task,
    intent: start.intent,
    prompt,
    before: start.history,
    after: rollout.history,
    quality: rollout.quality,
    text: rollout.turns.at(-1)?.completion.text ?? '',
    tokens: rollout.turns.flatMap(({ completion }) => Array.from(completion.tokens)),
  }));
}

interface Finished {
  readonly rollout: Rollout;
  readonly reward: number;
}

/** Adds the reward to a rollout, and its quality where rewards measure it. */
function applyReward(
  { trained }: RewardPlan,
  { measuredBy }: Pick<TaskFamily, 'measuredBy'>,
  rollout: Rollout,
  outcome: RewardOutcome | undefined,
): Finished {
  if (outcome === undefined || outcome.kind === 'unscored') {
    return { rollout: { ...rollout, quality: Number.NaN, outcome: { kind: 'unscored' } }, reward: Number.NaN };
  }
  if (outcome.kind === 'failed') return { rollout: failedAtReward(rollout, outcome.error), reward: Number.NaN };
  const measured = measuredBy === 'rewards' && isReadable(rollout) ? withQuality(rollout, outcome.quality) : rollout;
  if (trained === 'sum') return { rollout: measured, reward: outcome.sum };
  const { start, history, quality } = measured;
  const reward = improvementReward({ intent: start.intent, before: start.history, after: history, quality });
  return { rollout: measured, reward };
}

/** An overlong or malformed answer keeps quality 0, whatever its reward. */
const isReadable = ({ outcome }: Rollout): boolean => outcome.kind === 'finished';

function sliceColumn({ name, values, trouble }: RewardColumn, first: number, end: number): RewardColumn {
  return { name, values: values.subarray(first, end), trouble: trouble.subarray(first, end) };
}

function createGroup(finished: readonly Finished[], columns: readonly RewardColumn[], settings: ScoreSettings): Group {
  const rollouts = finished.map(({ rollout }) => rollout);
  return {
    start: (rollouts[0] as Rollout).start,
    rollouts,
    rewards: Float64Array.from(finished, ({ reward }) => reward),
    qualities: Float64Array.from(rollouts, ({ quality }) => quality),
    score: scoreGroup(rollouts, settings),
    columns,
  };
}

/**
 * Whether the group can be trained on. Training drops the whole group when a member failed: a baseline over the surviving
 * members would be biased towards answers that do not break the task or the reward. A group without an answer has nothing to train on.
 */
export function isTrainable({ rollouts }: Group): boolean {
  return !rollouts.some(hasFailed) && rollouts.some(({ turns }) => turns.length > 0);
}

/** Whether infrastructure failed, which leaves the quality of the answer unknown. */
export function hasFailed(rollout: Rollout): boolean {
  return dropsGroup(rollout.outcome);
}

function failedAtReward(rollout: Rollout, error: RewardError): Rollout {
  const outcome: Outcome = { kind: 'failed', boundary: 'reward', detail: error.message };
  return { ...rollout, quality: Number.NaN, outcome };
}
