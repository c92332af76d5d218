/** Opens the embedder that a config names. */
import type { Policy } from '../policy/policy.js';
import type { Embedder } from './embedder.js';
import { createNgramEmbedder, type NgramSettings } from './ngram.js';
import { createPolicyEmbedder } from './policy-states.js';
import { createModelEmbedder, type ModelEmbedderSettings } from './sentence-transformers.js';

/** The keys of the config's section `diversity` that choose the embedder. */
export interface EmbedderSettings {
  /** Hashed n-grams, the policy's hidden states (their mean, or the last one), or a model. */
  readonly embedder: 'ngram' | 'policy' | 'policy-last-token' | ModelEmbedderSettings;
  readonly ngram: NgramSettings;
}

/**
 * Opens the embedder of a config.
 * @throws ModelFolderError for an unreadable embedder folder, DeviceError for an absent device, ConfigError when the policy
 * does not return its hidden states.
 * @example
 * import { LocalPolicy, parseConfig, shippedModel } from 'exit-rl';
 * import { openEmbedder } from 'exit-rl/run';
 *
 * const { diversity, model } = parseConfig({ task: 'code-breaker', model: shippedModel('tiny') });
 * const policy = await LocalPolicy.load(model);
 * const embedder = await openEmbedder(diversity, policy);
 * console.log((await embedder.embed([{ text: 'a1 b2' }, { text: 'c3' }])).length / embedder.dimension); // 2
 * await policy.close();
 */
export async function openEmbedder({ embedder, ngram }: EmbedderSettings, policy: Policy): Promise<Embedder> {
  if (embedder === 'ngram') return createNgramEmbedder(ngram);
  if (typeof embedder === 'object') return createModelEmbedder(embedder);
  return createPolicyEmbedder(policy, embedder === 'policy' ? 'mean' : 'lasttoken');
}
