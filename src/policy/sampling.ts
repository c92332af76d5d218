/** Default sampling, by the schema, and its conversion for the engine. */
import type { NativeGenerateRequest } from '../native.js';
import type { Sampling } from './policy.js';
import { sampling } from './settings.js';

/**
 * The default sampling: from the full softmax at temperature 1 (as the policy is trained), at most 256 tokens, no stop text.
 * Of a folder's generation_config.json only the end tokens apply.
 */
export const defaultSampling: Required<Sampling> = sampling.parse({});

type NativeSampling = Omit<NativeGenerateRequest, 'prompt' | 'n' | 'seed' | 'requestId' | 'ticket'>;

/** Converts sampling for the engine. */
export function nativeSampling({ stopTokenIds, stop, ...rest }: Required<Sampling>): NativeSampling {
  return { ...rest, stopTokenIds: [...stopTokenIds], stopTexts: [...stop] };
}
