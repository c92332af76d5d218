/** A config as an editor checks it: our keys and TRL's, with their types. */
import type { RunConfigInput } from './schema.js';

/** `null` selects TRL's default. */
type Value<Type> = Type | null;

/**
 * TRL 1.16's names that a config accepts beside our own, with the types of their values; docs/objectives.md and docs/data.md
 * list the key that each becomes. `parseConfig` refuses every other option of TRL, with the reason and the alternative.
 */
export interface TrlOptions {
  activation_checkpointing?: Value<boolean>;
  adam_beta1?: Value<number>;
  adam_beta2?: Value<number>;
  adam_epsilon?: Value<number>;
  beta?: Value<number>;
  bf16?: Value<boolean>;
  chat_template_kwargs?: Value<Readonly<Record<string, unknown>>>;
  delta?: Value<number>;
  early_stopping_patience?: Value<number>;
  early_stopping_threshold?: Value<number>;
  entropy_coef?: Value<number>;
  entropy_coef_delta?: Value<number>;
  entropy_coef_max?: Value<number>;
  entropy_coef_min?: Value<number>;
  entropy_target?: Value<number>;
  epsilon?: Value<number>;
  epsilon_high?: Value<number>;
  eval_on_start?: Value<boolean>;
  eval_steps?: Value<number>;
  eval_strategy?: Value<'no' | 'steps' | false>;
  generation_batch_size?: Value<number>;
  generation_kwargs?: Value<{
    stop?: string | readonly string[];
    stop_strings?: string | readonly string[];
    stop_token_ids?: readonly number[];
    include_stop_str_in_output?: boolean;
  }>;
  gradient_accumulation_steps?: Value<number>;
  gradient_checkpointing?: Value<boolean>;
  greater_is_better?: Value<boolean>;
  importance_sampling_level?: Value<'token' | 'sequence'>;
  learning_rate?: Value<number>;
  load_best_model_at_end?: Value<boolean>;
  log_completions?: Value<boolean>;
  logging_steps?: Value<number>;
  lora_alpha?: Value<number>;
  lora_dropout?: Value<number>;
  lora_modules_to_save?: Value<string | readonly string[]>;
  lora_r?: Value<number>;
  lora_target_modules?: Value<string | readonly string[]>;
  loss_type?: Value<'grpo' | 'bnpo' | 'dr_grpo' | 'dapo' | 'cispo' | 'sapo' | 'vespo' | 'luspo' | 'gspo'>;
  lr_scheduler_kwargs?: Value<{ min_lr?: number; min_lr_rate?: number }>;
  lr_scheduler_type?: Value<'constant' | 'constant_with_warmup' | 'linear' | 'cosine' | 'cosine_with_min_lr'>;
  mask_truncated_completions?: Value<boolean>;
  max_completion_length?: Value<number>;
  max_grad_norm?: Value<number>;
  max_steps?: Value<number>;
  metric_for_best_model?: Value<string>;
  min_p?: Value<number>;
  model_name_or_path?: Value<string>;
  multi_objective_aggregation?: Value<'sum_then_normalize' | 'normalize_then_sum'>;
  num_completions_to_print?: Value<number>;
  num_generations?: Value<number>;
  num_generations_eval?: Value<number>;
  num_iterations?: Value<number>;
  no_cuda?: Value<boolean>;
  num_train_epochs?: Value<number>;
  off_policy_mask_threshold?: Value<number>;
  per_device_train_batch_size?: Value<number>;
  ref_model_mixup_alpha?: Value<number>;
  ref_model_sync_steps?: Value<number>;
  report_to?: Value<string | readonly string[]>;
  reward_funcs?: Value<string | readonly string[]>;
  reward_weights?: Value<readonly number[]>;
  run_name?: Value<string>;
  sapo_temperature_neg?: Value<number>;
  sapo_temperature_pos?: Value<number>;
  save_steps?: Value<number>;
  save_strategy?: Value<'no' | 'steps' | 'best' | false>;
  save_total_limit?: Value<number>;
  scale_rewards?: Value<'group' | 'batch' | 'none' | boolean>;
  shuffle_dataset?: Value<boolean>;
  steps_per_generation?: Value<number>;
  sync_ref_model?: Value<boolean>;
  temperature?: Value<number>;
  top_entropy_quantile?: Value<number>;
  top_k?: Value<number>;
  top_p?: Value<number>;
  torch_dtype?: Value<string>;
  use_adaptive_entropy?: Value<boolean>;
  use_bias_correction_kl?: Value<boolean>;
  use_cpu?: Value<boolean>;
  use_dora?: Value<boolean>;
  use_peft?: Value<boolean>;
  use_rslora?: Value<boolean>;
  vespo_k_neg?: Value<number>;
  vespo_k_pos?: Value<number>;
  vespo_lambda_neg?: Value<number>;
  vespo_lambda_pos?: Value<number>;
  vllm_importance_sampling_cap?: Value<number>;
  vllm_importance_sampling_clip_max?: Value<number>;
  vllm_importance_sampling_clip_min?: Value<number>;
  vllm_importance_sampling_correction?: Value<boolean>;
  vllm_importance_sampling_mode?: Value<'token_truncate' | 'token_mask' | 'sequence_truncate' | 'sequence_mask'>;
  warmup_ratio?: Value<number>;
  warmup_steps?: Value<number>;
  weight_decay?: Value<number>;
}

/** Our keys, and TRL's beside them; the model is named by either. */
export type ConfigInput = Omit<RunConfigInput, 'model'> & Partial<Pick<RunConfigInput, 'model'>> & TrlOptions;

/**
 * Returns the config unchanged; in an editor it completes our keys and TRL's, and marks unknown keys and wrong values.
 * `parseConfig` fills in the defaults and checks what types cannot.
 *
 * @example
 * import { defineConfig, parseConfig, shippedModel } from 'exit-rl';
 *
 * const config = defineConfig({
 *   task: 'code-breaker',
 *   model: shippedModel('tiny'),
 *   method: 'exit',
 *   num_generations: 8,
 *   learning_rate: 3e-4,
 *   objective: { loss: { kind: 'clip', low: 0.2 }, kl: { beta: 0.02 } },
 * });
 * console.log(parseConfig(config).groupSize);
 */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}
