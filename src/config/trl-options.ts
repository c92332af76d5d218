/** Refuses options of TRL that this package does not offer. */
import type { ConfigProblem } from '../errors.js';
import { type Layer, removePath } from './layer.js';
import { type Refusal, refusals } from './trl-refusals.js';

const options: ReadonlyMap<string, Refusal> = new Map(
  refusals.flatMap((refusal) => Object.keys(refusal.options).map((name) => [name, refusal] as const)),
);

/** Names of TRL's options that are refused by name. */
export const refusedNames: readonly string[] = [...options.keys()];

/** Whether a value is neutral; a flag of the command line may be a text. */
const same = (value: unknown, neutral: unknown): boolean =>
  JSON.stringify(value) === JSON.stringify(neutral) || value === String(neutral);

/** Removes every such option from `layer`; adds those with a value that is not neutral to `problems`. */
export function refuseOptions(layer: Layer, problems: ConfigProblem[]): void {
  for (const key of Object.keys(layer)) {
    const refusal = options.get(key);
    if (refusal === undefined) continue;
    const value = removePath(layer, key);
    const isNeutral = value === null || (refusal.options[key] ?? []).some((neutral) => same(value, neutral));
    if (!isNeutral) problems.push({ key, message: `is not offered: ${refusal.because}`, hint: refusal.instead });
  }
}
