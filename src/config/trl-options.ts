/** Options of TRL that are known and not offered. */
import type { ConfigProblem } from '../errors.js';
import { type Layer, removePath } from './layer.js';
import { type Refusal, refusals } from './trl-refusals.js';

const options: ReadonlyMap<string, Refusal> = new Map(
  refusals.flatMap((refusal) => Object.keys(refusal.options).map((name) => [name, refusal] as const)),
);

/** Names that are understood but not offered. */
export const refusedNames: readonly string[] = [...options.keys()];

/** A flag of the command line may arrive as a text. */
const same = (value: unknown, neutral: unknown): boolean =>
  JSON.stringify(value) === JSON.stringify(neutral) || value === String(neutral);

/** Takes every such option out of `layer`; those that ask for something go to `problems`. */
export function refuseOptions(layer: Layer, problems: ConfigProblem[]): void {
  for (const key of Object.keys(layer)) {
    const refusal = options.get(key);
    if (refusal === undefined) continue;
    const value = removePath(layer, key);
    const asksNothing = value === null || (refusal.options[key] ?? []).some((neutral) => same(value, neutral));
    if (!asksNothing) problems.push({ key, message: `is not offered: ${refusal.because}`, hint: refusal.instead });
  }
}
