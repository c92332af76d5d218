/** Default sampling, by the schema, and its conversion for the engine. */
import type { NativeGenerateRequest } from '../native.js';
import type { Sampling, TokenRules } from './policy.js';
import { sampling } from './settings.js';

/** Rules that change nothing. */
export const neutralRules: Required<TokenRules> = {
  repetitionPenalty: 1,
  noRepeatNgramSize: 0,
  badWordsIds: [],
  suppressTokens: [],
  beginSuppressTokens: [],
  minNewTokens: 0,
  minLength: 0,
};

/**
 * The default sampling: from the full softmax at temperature 1 (as the policy is trained), at most 256 tokens, no stop text,
 * and rules that change nothing. Absent rules of a request are those of the folder's generation_config.json.
 */
export const defaultSampling: Required<Sampling> = { ...sampling.parse({}), ...neutralRules };

type NativeSampling = Omit<NativeGenerateRequest, 'prompt' | 'n' | 'seed' | 'requestId' | 'ticket'>;

/** Converts sampling for the engine. */
export function nativeSampling({ stopTokenIds, stop, ...rest }: Required<Sampling>): NativeSampling {
  const { temperature, maxNewTokens, topK, topP, minP, includeStopText, ...rules } = rest;
  const { badWordsIds, suppressTokens, beginSuppressTokens } = rules;
  return {
    ...{ temperature, maxNewTokens, topK, topP, minP, includeStopText },
    stopTokenIds: [...stopTokenIds],
    stopTexts: [...stop],
    rules: {
      ...rules,
      badWordsIds: badWordsIds.map((word) => [...word]),
      suppressTokens: [...suppressTokens],
      beginSuppressTokens: [...beginSuppressTokens],
    },
  };
}
