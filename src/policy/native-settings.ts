/** Settings as the engine takes them: with nothing left open. */
import { InvalidRequestError } from '../errors.js';
import type { NativeGenerateRequest } from '../native.js';
import type { Sampling } from './policy.js';
import type { UpdateSettings } from './settings.js';

function finite(value: unknown, key: string): unknown {
  if (typeof value === 'object' && value !== null) return withoutGaps(value, `${key}.`);
  if (typeof value !== 'number' || Number.isFinite(value)) return value;
  const reason = `${value} is not a finite number`;
  throw new InvalidRequestError('INVALID_REQUEST', `\`${key}\`: ${reason}`, { key, reason });
}

const withoutGaps = (settings: object, prefix = ''): object =>
  Object.fromEntries(
    Object.entries(settings)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, finite(value, prefix + key)]),
  );

/** The settings of an update, key by key; what is undefined stays out. @throws InvalidRequestError for NaN and infinity. */
export const nativeSettings = (settings: UpdateSettings): object => withoutGaps(settings);

type NativeSampling = Omit<NativeGenerateRequest, 'prompt' | 'n' | 'seed' | 'requestId' | 'ticket'>;

export function nativeSampling(sampling: Sampling): NativeSampling {
  const { topK = 0, topP = 1, minP = 0, stopTokenIds = [], stop = [], includeStopText = false, ...rest } = sampling;
  const ends = { stopTokenIds: [...stopTokenIds], stopTexts: [...stop], includeStopText, ignoreEndTokens: false };
  return { ...rest, topK, topP, minP, ...ends };
}
