/**
 * Lists options that published configs and scripts hold beside those of TRL 1.16: names that TRL and transformers had before,
 * arguments of GRPOTrainer, and settings of trackers.
 */
import type { Refusal } from './trl-refusals.js';

export const formerRefusals: readonly Refusal[] = [
  {
    because: 'a prompt is never cut: a cut one asks another question',
    instead: 'leave it out; rows whose prompt does not fit the context are named before the first update',
    options: { max_prompt_length: [], max_length: [], max_seq_length: [], truncation_mode: [] },
  },
  {
    because: 'rows are read by one reader, whose speed needs no processes',
    instead: 'leave it out',
    options: { dataset_num_proc: [1], dataset_kwargs: [], preprocessing_num_workers: [1] },
  },
  {
    because: 'an adapter is a section of the config',
    instead:
      'set use_peft with lora_r, lora_alpha, lora_dropout, lora_target_modules, or the keys of the section `lora`',
    options: { peft_config: [], lora_config: [] },
  },
  {
    because: 'these are arguments of GRPOTrainer, which a script passes',
    instead: 'set model, data.train, data.test and rewards, or pass them to trainRun',
    options: {
      ...{ train_dataset: [], eval_dataset: [], processing_class: [], reward_processing_classes: [] },
      ...{ rollout_func: [], optimizers: [], callbacks: [] },
    },
  },
  {
    because: 'metrics go to metrics.jsonl, to report.html, and to TensorBoard with report_to',
    instead: 'set report_to: tensorboard, or upload metrics.jsonl yourself',
    options: {
      ...{
        wandb: [false],
        wandb_project: [],
        wandb_entity: [],
        wandb_run_group: [],
        wandb_log_unique_prompts: [false],
      },
      ...{ swanlab: [false], mlflow: [false], logging_dir: [] },
    },
  },
  {
    because: 'its name is now eval_strategy',
    instead: 'rename it to eval_strategy',
    options: { evaluation_strategy: [] },
  },
  {
    because: 'a run folder is never overwritten, and weights are always safetensors',
    instead: 'leave it out; set name or --out for another folder',
    options: { overwrite_output_dir: [false], save_safetensors: [true] },
  },
  {
    because: 'completions are drawn by the trainer itself; there is no vLLM',
    instead: 'leave it out',
    options: {
      ...{ vllm_device: ['auto'], vllm_dtype: ['auto'], vllm_max_model_len: [], vllm_quantization: [] },
      ...{ vllm_enable_prefix_caching: [false, true], vllm_guided_decoding_regex: [] },
    },
  },
  {
    because: 'the loss is computed in parts by the engine itself',
    instead: 'leave it out; logitsBytes bounds the logits in memory',
    options: { use_liger_loss: [false], use_liger: [false] },
  },
  {
    because: 'a run is one process, in float32 or bfloat16',
    instead: 'leave it out; choose `device` and `dtype`',
    options: {
      ...{ fp16_opt_level: ['O1'], half_precision_backend: ['auto'], fp16_backend: ['auto'], use_ipex: [false] },
      ...{ no_sync: [false], tpu_num_cores: [], use_mps_device: [false], ray_scope: ['last'], jit_mode_eval: [false] },
      ...{ split_batches: [], dispatch_batches: [], group_by_length: [false], past_index: [-1], mp_parameters: [''] },
    },
  },
];
