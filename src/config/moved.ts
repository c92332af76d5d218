/** Keys of earlier versions, which are refused with their new names. */
import type { ConfigProblem } from '../errors.js';
import { type Layer, readPath, removePath } from './layer.js';
import { schemaRows } from './rows.js';

/** What a value became where it is not the same under the new key. */
const values: Readonly<Record<string, string>> = {
  'objective.useRolloutLogprobs': '`behaviour` for true, `trainer` for false',
  'objective.entropyControl.adaptive': '`adaptive` for true, `constant` for false',
  'objective.samplingCorrection.mode': 'token or sequence, with objective.correction.beyond: truncate or mask',
};

/** Takes old keys out of `layer`; each goes to `problems` with the key to write instead. */
export function refuseMoved(layer: Layer, problems: ConfigProblem[]): void {
  for (const { path, was } of schemaRows().rows) {
    for (const key of was) {
      if (readPath(layer, key) === undefined) continue;
      removePath(layer, key);
      const hint = values[key];
      const problem = { key, message: `is now ${path}` };
      problems.push(hint === undefined ? problem : { ...problem, hint });
    }
  }
}
