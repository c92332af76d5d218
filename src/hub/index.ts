/** `exit-rl/hub`: fetches models from the Hugging Face hub, and finds them in the local cache. */

export type { Environment } from './environment.js';
export { type Fetched, type FetchOptions, type FetchProgress, fetchModel } from './fetch.js';
export { type HubModel, hubModel, modelFolder } from './model-cache.js';
