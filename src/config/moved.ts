/** Refuses keys of earlier versions, with their new names. */
import type { ConfigProblem } from '../errors.js';
import { type Layer, readPath, removePath } from './layer.js';
import { schemaRows } from './rows.js';

/** The new values of keys whose values changed as well. */
const values: Readonly<Record<string, string>> = {
  'buffer.inverseTemperature': 'with buffer.priority.kind: absolute, which the paper prints; `rank` has another scale',
  'objective.useRolloutLogprobs': '`behaviour` for true, `trainer` for false',
  'objective.entropyControl.adaptive': '`adaptive` for true, `constant` for false',
  'objective.samplingCorrection.mode': 'token or sequence, with objective.correction.beyond: truncate or mask',
};

/** Sections that moved as a whole, for values that no key inside them matches. */
const sections: Readonly<Record<string, string>> = {
  'objective.entropyControl': 'objective.entropy.control',
  'objective.samplingCorrection': 'objective.correction',
};

/** Removes old keys from `layer` and adds each to `problems` with its new key. */
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
  for (const [key, path] of Object.entries(sections)) {
    if (readPath(layer, key) === undefined) continue;
    removePath(layer, key);
    problems.push({ key, message: `is now ${path}` });
  }
}
