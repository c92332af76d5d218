/** Replaces the model of a config by the folders that it names; an adapter that is named as model is trained on. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RunConfig } from '../config/parse.js';
import { findModel } from '../disk/model-source.js';
import { ConfigError } from '../errors.js';

type Lora = NonNullable<RunConfig['lora']>;

const adapterProblem = (adapter: string, message: string): ConfigError =>
  new ConfigError([{ key: 'model', message: `${adapter} is an adapter, ${message}` }]);

/** The settings of an adapter folder, with which it is trained on; dropout is the default, 0. */
async function settingsOf(adapter: string): Promise<Omit<Lora, 'adapter'>> {
  const config = JSON.parse(await readFile(join(adapter, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  const { r: rank, lora_alpha: alpha, target_modules: targetModules, use_rslora: rankStabilised } = config;
  const isList = Array.isArray(targetModules) && targetModules.every((one) => typeof one === 'string');
  if (typeof rank !== 'number' || typeof alpha !== 'number' || !isList) {
    throw adapterProblem(
      adapter,
      'and its settings cannot be read from adapter_config.json: set `lora` as it was made',
    );
  }
  return {
    ...{ rank, alpha, dropout: 0, rankStabilised: rankStabilised === true, dora: config.use_dora === true },
    targetModules: [...targetModules].sort(),
    rankPattern: (config.rank_pattern ?? {}) as Record<string, number>,
    alphaPattern: (config.alpha_pattern ?? {}) as Record<string, number>,
    modulesToSave: (config.modules_to_save ?? []) as string[],
  };
}

/**
 * Returns the config with the absolute folder of its model, and of the adapter that is trained on.
 * @throws ConfigError for two adapters, and the errors of `findModel`.
 */
export async function withNamedModel(config: RunConfig): Promise<RunConfig> {
  const { lora, model } = config;
  const { folder, adapter } = await findModel(model);
  const found = { ...config, model: resolve(folder) };
  if (adapter === undefined) {
    if (lora?.adapter === undefined) return found;
    const given = await findModel(model, lora.adapter);
    return { ...found, lora: { ...lora, adapter: resolve(given.adapter ?? lora.adapter) } };
  }
  if (lora?.adapter !== undefined) {
    throw adapterProblem(adapter, 'so lora.adapter cannot be added to it: name the base as model, or merge one first');
  }
  return { ...found, lora: { ...(lora ?? (await settingsOf(adapter))), adapter: resolve(adapter) } };
}
