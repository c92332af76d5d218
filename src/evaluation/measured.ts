/** A family whose quality is what reward functions say, as one whose verifier asks them: for answers outside of training. */
import { RewardError } from '../errors.js';
import type { History, Intent } from '../history.js';
import { appendAnswer, toIterate } from '../method/rollout.js';
import { type NamedReward, rewardAnswers } from '../reward/named.js';
import type { Answered } from '../reward/reward.js';
import type { Task, TaskFamily, Verdict } from '../task/task.js';

interface Said {
  readonly text: string;
  readonly tokens: readonly number[];
}

function answeredStart(family: TaskFamily, task: Task, before: History, intent: Intent, said: Said): Answered {
  const tokens = Int32Array.from(said.tokens);
  const after = appendAnswer(before, intent, toIterate({ text: said.text, tokens }, { quality: 0, wellFormed: true }));
  return { task, intent, prompt: family.prompt(task, before, intent), before, after, quality: 0, ...said };
}

/** The family itself where its own verifier measures quality. */
export function measuredFamily(family: TaskFamily, rewards: readonly NamedReward[]): TaskFamily {
  if (family.measuredBy !== 'rewards') return family;
  const verify: TaskFamily['verify'] = async (task, history, text, intent, tokens = []): Promise<Verdict> => {
    const verdict = await family.verify(task, history, text, intent, tokens);
    if (!verdict.wellFormed) return verdict;
    const one = answeredStart(family, task, history, intent, { text, tokens });
    const [outcome] = (await rewardAnswers(rewards, [[one]])).outcomes;
    if (outcome?.kind === 'rewarded') return { ...verdict, quality: outcome.quality };
    throw outcome?.kind === 'failed' ? outcome.error : new RewardError('no reward function could score the answer');
  };
  return { ...family, measuredBy: 'verifier', verify };
}
