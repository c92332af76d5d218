/** `exit-rl/hub`: models from the Hugging Face hub in this machine's cache. */

export { type Fetched, type FetchOptions, type FetchProgress, fetchModel } from './fetch.js';
export { type Environment, type HubModel, hubModel, modelFolder } from './model-cache.js';
