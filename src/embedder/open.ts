/** Opens the embedder that a config names. */

import type { DiversitySettings } from '../method/settings.js';
import type { Policy } from '../policy/policy.js';
import { createModelEmbedder, createNgramEmbedder, type Embedder } from './embedder.js';
import { createPolicyEmbedder } from './policy-states.js';

/** @throws ModelFolderError, DeviceError, ConfigError. */
export async function openEmbedder({ embedder, ngram }: DiversitySettings, policy: Policy): Promise<Embedder> {
  if (embedder === 'ngram') return createNgramEmbedder(ngram);
  if (typeof embedder === 'object') return createModelEmbedder(embedder);
  return createPolicyEmbedder(policy, embedder === 'policy' ? 'mean' : 'lasttoken');
}
