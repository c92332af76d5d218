/** Sampling where a request leaves it open, by the defaults of the schema, and as the engine takes it. */
import type { NativeGenerateRequest } from '../native.js';
import type { Sampling } from './policy.js';
import { sampling } from './settings.js';

/**
 * Sampling that nobody asked otherwise: from the full softmax at temperature 1 (as the policy is trained), at most 256
 * tokens, no stop text. A folder's generation_config.json decides the end tokens and nothing else.
 */
export const defaultSampling: Required<Sampling> = sampling.parse({});

type NativeSampling = Omit<NativeGenerateRequest, 'prompt' | 'n' | 'seed' | 'requestId' | 'ticket'>;

/** Sampling as the engine takes it. */
export function nativeSampling({ stopTokenIds, stop, ...rest }: Required<Sampling>): NativeSampling {
  return { ...rest, stopTokenIds: [...stopTokenIds], stopTexts: [...stop], ignoreEndTokens: false };
}
