/** Prints some completions of an update for a person; a model's text never controls the terminal. */
import type { RunConfig } from '../config/parse.js';
import { promptText } from '../message.js';
import type { Group } from '../method/group.js';
import type { TaskFamily } from '../task/task.js';
import { say } from './output.js';

// Control characters except the line end, and characters that reorder or hide text.
const unprintable = /(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/gu;
const longest = 2000;

/** Escapes every unprintable character, and truncates a very long text. */
export function printable(text: string): string {
  const shown = text.length > longest ? `${text.slice(0, longest)} … (${text.length} characters)` : text;
  return shown.replaceAll(unprintable, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`);
}

function describe({ start, rollouts, rewards }: Group): string {
  const [rollout] = rollouts;
  const answer = rollout?.turns.map(({ completion }) => completion.text).join('\n') ?? '';
  const [reward] = rewards;
  const facts = `${start.task.id}, ${start.intent}, reward ${reward?.toPrecision(4) ?? 'none'}, ${rollout?.outcome.kind ?? ''}`;
  return `${facts}\n${printable(answer)}`;
}

/**
 * Creates a callback that prints the first member of the first `logCompletions` groups of every `logEvery`-th update;
 * undefined when `logCompletions` is 0.
 */
export function completionLog(
  { logCompletions, logEvery }: Pick<RunConfig, 'logCompletions' | 'logEvery'>,
  family: Pick<TaskFamily, 'prompt'>,
  print: (text: string) => void = say,
): ((groups: readonly Group[], update: number) => void) | undefined {
  if (logCompletions === 0) return undefined;
  return (groups, update) => {
    if (update % logEvery !== 0) return;
    for (const group of groups.slice(0, logCompletions)) {
      const { task, history, intent } = group.start;
      const prompt = printable(promptText(family.prompt(task, history, intent)));
      print(`--- update ${update}: ${prompt}\n>>> ${describe(group)}`);
    }
  };
}
