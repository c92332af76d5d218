/** Converts settings for the engine: only finite numbers, no undefined keys. */
import { InvalidRequestError } from '../errors.js';
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

/** Copies the settings of an update without undefined keys. @throws InvalidRequestError for NaN and infinity. */
export const nativeSettings = (settings: UpdateSettings): object => withoutGaps(settings);
