/** The models that the package carries. */
import { join } from 'node:path';
import { packageRoot } from './libtorch.js';

export type ShippedModel = 'tiny' | 'cafe';

/**
 * The absolute path of a model folder inside the package, wherever the package is installed.
 *
 * `tiny` is the base of code breaker (205,696 parameters, Llama-shaped), `cafe` a small chat model (Qwen2-shaped).
 *
 * @example
 * import { LocalPolicy, shippedModel } from 'exit-rl';
 *
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * await policy.close();
 */
export function shippedModel(name: ShippedModel): string {
  return join(packageRoot(), 'models', name);
}
