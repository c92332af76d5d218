/** How tokens are drawn where nobody says it: the one place of these defaults for the library, the config and the commands. */
import type { NativeGenerateRequest } from '../native.js';
import type { Sampling } from './policy.js';

/**
 * Sampling that nobody asked otherwise: from the full softmax at temperature 1 (as the policy is trained), at most 256
 * tokens, no stop text. A folder's generation_config.json decides the end tokens and nothing else.
 */
export const defaultSampling: Required<Sampling> = {
  temperature: 1,
  maxNewTokens: 256,
  topK: 0,
  topP: 1,
  minP: 0,
  stopTokenIds: [],
  stop: [],
  includeStopText: false,
};

type NativeSampling = Omit<NativeGenerateRequest, 'prompt' | 'n' | 'seed' | 'requestId' | 'ticket'>;

/** Sampling as the engine takes it. */
export function nativeSampling({ stopTokenIds, stop, ...rest }: Required<Sampling>): NativeSampling {
  return { ...rest, stopTokenIds: [...stopTokenIds], stopTexts: [...stop], ignoreEndTokens: false };
}
