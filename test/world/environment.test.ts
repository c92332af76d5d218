/** The environment variables of huggingface_hub mean here what they mean there. */
import { expect, test } from 'vitest';
import {
  accessToken,
  cacheFolder,
  type Environment,
  hubEndpoint,
  hubPatience,
  isOffline,
  isOn,
  tokenFile,
} from '../../src/hub/environment.js';
import { worldRows } from './support/rows.js';

interface Expect {
  readonly cache: string;
  readonly tokenFile: string;
  readonly endpoint: string;
  readonly offline: boolean;
  readonly authorization: string | null;
  readonly listingSeconds: number;
  readonly downloadSeconds: number;
  readonly copies: boolean;
  readonly quiet: boolean;
}

/** huggingface_hub's default of both time limits; ours is longer, and docs/inputs.md says so. */
const theirSeconds = 10;

test.each(worldRows<Environment, Expect>('environment'))('%s', (_name, { input, expect: wanted }) => {
  const environment: Environment = { HOME: '/home/ada', ...input };
  const { listing = 1000 * theirSeconds, download = 1000 * theirSeconds } = hubPatience(environment);
  const token = accessToken(environment);
  expect({
    cache: cacheFolder(environment),
    tokenFile: tokenFile(environment),
    endpoint: hubEndpoint(environment),
    offline: isOffline(environment),
    authorization: token === undefined ? null : `Bearer ${token}`,
    listingSeconds: listing / 1000,
    downloadSeconds: download / 1000,
    copies: isOn(environment.HF_HUB_DISABLE_SYMLINKS),
    quiet: isOn(environment.HF_HUB_DISABLE_PROGRESS_BARS),
  }).toEqual(wanted);
});
