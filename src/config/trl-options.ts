/** Refuses options of TRL, and of scripts around it, that this package does not offer. */
import type { ConfigProblem } from '../errors.js';
import type { Option } from './alias.js';
import { formerRefusals } from './former-refusals.js';
import { type Refusal, refusals } from './trl-refusals.js';

const options: ReadonlyMap<string, Refusal> = new Map(
  [...refusals, ...formerRefusals].flatMap((refusal) =>
    Object.keys(refusal.options).map((name) => [name, refusal] as const),
  ),
);

/** Names of other programs' options that are refused by name. */
export const refusedNames: readonly string[] = [...options.keys()];

/** Whether a value is neutral; a flag of the command line may be a text. */
const same = (value: unknown, neutral: unknown): boolean =>
  JSON.stringify(value) === JSON.stringify(neutral) || value === String(neutral);

/** Adds every such option of a layer with a value that is not neutral to `problems`. */
export function refuseOptions(given: ReadonlyMap<string, Option>, rank: number, problems: ConfigProblem[]): void {
  for (const [key, refusal] of options) {
    const option = given.get(key);
    if (option?.rank !== rank) continue;
    const neutral = refusal.options[key] ?? [];
    const isNeutral = option.value === null || neutral.some((one) => same(option.value, one));
    if (!isNeutral) problems.push({ key, message: `is not offered: ${refusal.because}`, hint: refusal.instead });
  }
}
