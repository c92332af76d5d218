/** `exit-rl/hub`: fetches models from the Hugging Face hub, and finds them in the local cache. */
export { type Environment, type HubModel, hubModel, modelFolder } from './cache.js';
export { type Fetched, type FetchOptions, type FetchProgress, fetchModel } from './fetch.js';
