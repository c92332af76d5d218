/** Opens the embedder that a config names. */
import type { Policy } from '../policy/policy.js';
import type { Embedder } from './embedder.js';
import { createNgramEmbedder, type NgramSettings } from './ngram.js';
import { createPolicyEmbedder } from './policy-states.js';
import { createModelEmbedder, type ModelEmbedderSettings } from './sentence-transformers.js';

export interface EmbedderSettings {
  /** Hashed n-grams, the policy's hidden states (their mean, or the last one), or a model. */
  readonly embedder: 'ngram' | 'policy' | 'policy-last-token' | ModelEmbedderSettings;
  readonly ngram: NgramSettings;
}

/**
 * Opens the embedder of a config.
 * @throws ModelFolderError for an unreadable embedder folder, DeviceError for an absent device, ConfigError when the policy
 * does not return its hidden states.
 */
export async function openEmbedder({ embedder, ngram }: EmbedderSettings, policy: Policy): Promise<Embedder> {
  if (embedder === 'ngram') return createNgramEmbedder(ngram);
  if (typeof embedder === 'object') return createModelEmbedder(embedder);
  return createPolicyEmbedder(policy, embedder === 'policy' ? 'mean' : 'lasttoken');
}
