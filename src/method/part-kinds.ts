/** The parts of a run that a caller may bring along, for the checks of arguments. */
import { anyRecord, type Kind, withMethods } from '../arguments.js';

export const generatorPart = withMethods('a policy', 'generate');
export const policyPart = withMethods('a policy', 'generate', 'update');
export const curriculumPart = withMethods('a curriculum', 'nextBatch', 'observe', 'snapshot', 'restore', 'metrics');
export const embedderPart = withMethods('an embedder', 'embed');
export const rngPart = withMethods('a stream of `createRng`', 'next', 'int', 'fork', 'id');

/** A config with its sections: an input that no one parsed lacks them. */
export const completeConfig: Kind = {
  words: 'a config that `parseConfig` returned',
  fits: (value) => {
    if (!anyRecord.fits(value)) return false;
    const { sampling, diversity } = value as Readonly<Record<string, unknown>>;
    return anyRecord.fits(sampling) && anyRecord.fits(diversity);
  },
};
