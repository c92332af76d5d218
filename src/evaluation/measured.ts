/** Lets reward functions measure quality outside of training, for a family whose quality they define. */
import { RewardError } from '../errors.js';
import type { History, Intent } from '../history.js';
import { appendAnswer, toIterate } from '../method/rollout.js';
import { type NamedReward, rewardAnswers } from '../reward/named.js';
import type { Answered } from '../reward/reward.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';

interface AnswerText {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Converts an answer to the form that reward functions take. */
function toAnswered(family: TaskFamily, task: Task, before: History, intent: Intent, answer: AnswerText): Answered {
  const tokens = Int32Array.from(answer.tokens);
  const after = appendAnswer(
    before,
    intent,
    toIterate({ text: answer.text, tokens }, { quality: 0, wellFormed: true }),
  );
  return { task, intent, prompt: family.prompt(task, before, intent), before, after, quality: 0, ...answer };
}

/**
 * Returns a family whose verifier calls the reward functions, for a family with `measuredBy: 'rewards'`; any other family
 * is returned unchanged. Its `verify` throws a RewardError when a function fails, or when none rewards the answer.
 *
 * @example
 * import { codeBreaker, namedReward } from 'exit-rl';
 * import { measuredFamily } from 'exit-rl/evaluation';
 *
 * const byLength = namedReward(({ text }) => Math.min(1, text.length / 20), { name: 'length' });
 * const family = measuredFamily({ ...codeBreaker(), measuredBy: 'rewards' }, [byLength]);
 * console.log(family.measuredBy); // verifier
 */
export function measuredFamily(family: TaskFamily, rewards: readonly NamedReward[]): TaskFamily {
  if (family.measuredBy !== 'rewards') return family;
  const verify: TaskFamily['verify'] = async (task, history, text, intent, tokens = []): Promise<Verdict> => {
    const verdict = await family.verify(task, history, text, intent, tokens);
    if (!verdict.wellFormed) return verdict;
    const answer = toAnswered(family, task, history, intent, { text, tokens });
    const { outcomes } = await rewardAnswers(rewards, [[answer]]);
    const outcome = outcomes[0];
    if (outcome?.kind === 'rewarded') return { ...verdict, quality: outcome.quality };
    throw outcome?.kind === 'failed'
      ? outcome.error
      : new RewardError('every reward function returned null for the answer');
  };
  // A reward function that fails has been called once more already.
  return { ...family, measuredBy: 'verifier', repeatable: false, verify };
}
