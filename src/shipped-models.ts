/** The models that the package contains. */
import { join } from 'node:path';
import { oneOf, requireArgument } from './arguments.js';
import { packageRoot } from './libtorch.js';

export type ShippedModel = 'tiny' | 'cafe';

/**
 * Returns the absolute path of a model folder inside the installed package, whatever the working directory.
 *
 * `tiny` is the base of code breaker (205,696 parameters, Llama-shaped), `cafe` a small chat model (Qwen2-shaped).
 * @throws InvalidRequestError for another name.
 *
 * @example
 * import { LocalPolicy, shippedModel } from 'exit-rl';
 *
 * const policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu' });
 * await policy.close();
 */
export function shippedModel(name: ShippedModel): string {
  requireArgument('shippedModel', { name }, oneOf('tiny', 'cafe'));
  return join(packageRoot(), 'models', name);
}
