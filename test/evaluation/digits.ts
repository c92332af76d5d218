/** A family of digits, and evaluations of scripted answers to it. */
import { evaluateIterations } from '../../src/evaluation/iterate.js';
import type { Completion, Generated, GenerateRequest, Policy } from '../../src/policy/policy.js';
import type { Task, TaskFamily } from '../../src/task/task.js';
import { scriptedPolicy } from '../support/scripted-policy.js';

/** The content of a prompt: for every turn its answers so far, joined by `>`. */
export interface Shown {
  readonly id: string;
  readonly intent: string;
  readonly answers: readonly string[];
}

/** A family whose prompt is JSON of `Shown`; an answer is a digit, its quality a ninth of it. */
export const digits = (turns = 1): TaskFamily => ({
  name: 'digits',
  turns,
  tasks: () => tasks,
  prompt: (task, history, intent) =>
    JSON.stringify({
      id: task.id,
      intent,
      answers: history.turns.map((turn) => turn.iterates.map(({ text }) => text).join('>')),
    }),
  verify: (_task, _history, answer) =>
    /^\d$/.test(answer)
      ? { quality: Number(answer) / 9, wellFormed: true, feedback: `got ${answer}` }
      : { quality: 0, wellFormed: false },
});

export const tasks: Task[] = ['x', 'y', 'z'].map((id) => ({ id, data: null }));

export interface Scripted extends Pick<Policy, 'generate'> {
  readonly requests: (GenerateRequest & { readonly shown: Shown })[];
}

const shownIn = ({ prompt }: GenerateRequest): Shown => JSON.parse(String(prompt));

/** A policy that answers by the content of the prompt, some requests sooner than others. */
export function scripted(
  answer: (shown: Shown, request: GenerateRequest, member: number) => string | Completion,
): Scripted {
  const policy = scriptedPolicy((request, member) => answer(shownIn(request), request, member));
  const requests: Scripted['requests'] = [];
  const generate = async (request: GenerateRequest): Promise<Generated> => {
    requests.push({ ...request, shown: shownIn(request) });
    await new Promise((resolve) => setTimeout(resolve, requests.length % 3));
    return policy.generate(request);
  };
  return { generate, requests };
}

export const evaluate = (
  policy: Pick<Policy, 'generate'>,
  changes: Partial<Parameters<typeof evaluateIterations>[0]> = {},
) =>
  evaluateIterations({
    policy,
    family: digits(),
    tasks,
    iterations: 3,
    draws: 2,
    sampling: { temperature: 1, maxNewTokens: 4 },
    seed: 5,
    ...changes,
  });

/** Counts the answers of the current turn, the last entry of `answers`. */
export const depth = ({ answers }: Shown): number =>
  answers.length === 0 ? 0 : (answers.at(-1)?.split('>').length ?? 0);
