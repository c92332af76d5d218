/**
 * Options of TRL 1.16 (GRPOConfig with transformers' TrainingArguments, ModelConfig, ScriptArguments) that are not offered:
 * why, and what to do instead.
 */

export interface Refusal {
  readonly because: string;
  readonly instead: string;
  /** Every option, with the values beside null that ask for nothing here. */
  readonly options: Readonly<Record<string, readonly unknown[]>>;
}

export const refusals: readonly Refusal[] = [
  {
    because: 'completions are drawn by the trainer itself, from the weights that are trained; there is no vLLM',
    instead: 'leave it out; exit-rl doctor --model says what generation takes of memory',
    options: {
      use_vllm: [false],
      vllm_mode: ['colocate'],
      vllm_model_impl: ['vllm'],
      vllm_enable_sleep_mode: [false],
      vllm_structured_outputs_regex: [],
      vllm_server_base_url: [],
      vllm_server_host: ['0.0.0.0'],
      vllm_server_port: [8000],
      vllm_server_timeout: [240],
      vllm_group_port: [51216],
      vllm_gpu_memory_utilization: [0.3],
      vllm_max_model_length: [],
      vllm_tensor_parallel_size: [1],
    },
  },
  {
    because: 'generation is always batched continuously, with a cache of its own',
    instead: 'leave it out',
    options: {
      use_transformers_continuous_batching: [false],
      transformers_continuous_batching_config: [],
      use_transformers_paged: [false],
      cache_implementation: [],
      use_cache: [false],
    },
  },
  {
    because: 'a run is one process on one device',
    instead: 'leave it out; choose the device with `device`',
    options: {
      deepspeed: [],
      fsdp: ['', [], false],
      fsdp_config: [],
      parallelism_config: [],
      accelerator_config: [],
      ds3_gather_for_generation: [true],
      average_tokens_across_devices: [true, false],
      ddp_find_unused_parameters: [],
      ddp_bucket_cap_mb: [],
      ddp_broadcast_buffers: [],
      ddp_static_graph: [],
      ddp_backend: [],
      ddp_timeout: [1800],
      local_rank: [-1],
      log_on_each_node: [true],
      save_on_each_node: [false],
      log_level_replica: ['warning'],
    },
  },
  {
    because: 'the engine has kernels of its own, computes the head in parts, and is not compiled at run time',
    instead: 'leave it out; logitsBytes bounds the logits in memory',
    options: {
      use_liger_kernel: [false],
      liger_kernel_config: [],
      torch_compile: [false],
      torch_compile_backend: [],
      torch_compile_mode: [],
      attn_implementation: [],
      tf32: [],
      torch_empty_cache_steps: [],
      pad_to_multiple_of: ['auto', 'none'],
      gradient_checkpointing_kwargs: [{ use_reentrant: false }, { use_reentrant: true }],
      activation_checkpointing_kwargs: [],
    },
  },
  {
    because: 'weights are computed with in float32, or in bfloat16 with float32 copies, and not quantised',
    instead: 'set dtype to float32 or bfloat16, and optimizer.stateDtype for smaller moments',
    options: {
      fp16: [false],
      bf16_full_eval: [false],
      fp16_full_eval: [false],
      cast_lm_head_to_fp32: [false],
      load_in_8bit: [false],
      load_in_4bit: [false],
      bnb_4bit_quant_type: ['nf4'],
      use_bnb_nested_quant: [false],
      bnb_4bit_quant_storage: [],
    },
  },
  {
    because: 'the optimizer is AdamW',
    instead: 'set the keys of the section `optimizer`',
    options: {
      optim: ['adamw_torch', 'adamw_torch_fused'],
      optim_args: [],
      optim_target_modules: [],
    },
  },
  {
    because: 'the loss is what docs/objectives.md says, with nothing mixed in',
    instead: 'leave it out; dropout is that of an adapter, lora.dropout',
    options: {
      label_smoothing_factor: [0],
      neftune_noise_alpha: [],
      router_aux_loss_coef: [0],
      disable_dropout: [false],
    },
  },
  {
    because:
      'tokens are drawn from the policy with temperature, topK, topP and minP alone, so that their log-probabilities are those that are trained',
    instead:
      'set the keys of the section `sampling`; of generation_kwargs, stop, stop_strings, stop_token_ids and include_stop_str_in_output are taken; `repetition_penalty_reward` is a reward function',
    options: { repetition_penalty: [1], generation_kwargs: [{}] },
  },
  {
    because: 'it is said by other keys here',
    instead: 'model and dtype name the model, exit-rl fetch brings it from the hub, adapter begins with a PEFT folder',
    options: {
      model_init_kwargs: [{}],
      model_revision: ['main'],
      trust_remote_code: [false],
      ignore_bias_buffers: [false],
    },
  },
  {
    because: 'adapters are plain LoRA on linear modules',
    instead: 'set the keys of the section `lora`',
    options: {
      lora_target_parameters: [],
      lora_modules_to_save: [],
      lora_task_type: ['CAUSAL_LM'],
      use_dora: [false],
    },
  },
  {
    because: 'data are files here',
    instead: 'name them in data.train and data.test, or hold a share out with data.testShare',
    options: {
      dataset_name: [],
      dataset_config: [],
      dataset_train_split: ['train'],
      dataset_test_split: ['test'],
      dataset_streaming: [false],
    },
  },
  {
    because: 'a task family decides how many turns an episode has',
    instead: 'bound them in the task',
    options: { max_tool_calling_iterations: [] },
  },
  {
    because: 'rows are read once and kept; every column goes to the reward functions',
    instead: 'data.columns chooses columns, shuffle_dataset or taskOrder the order',
    options: {
      remove_unused_columns: [false],
      dataloader_drop_last: [false],
      dataloader_num_workers: [0],
      dataloader_pin_memory: [true, false],
      dataloader_persistent_workers: [false],
      dataloader_prefetch_factor: [],
      dataloader_multiprocessing_context: [],
      dataloader_in_order: [true],
      train_sampling_strategy: ['random'],
      length_column_name: ['length'],
      label_names: [],
    },
  },
  {
    because: 'the batch must hold whole groups, so it does not shrink by itself',
    instead: 'lower microbatchTokens, which changes no number',
    options: { auto_find_batch_size: [false] },
  },
  {
    because: 'an evaluation takes all its prompts at once and measures rewards; memory decides how they are cut',
    instead: 'set the keys of the section `evaluation`',
    options: {
      per_device_eval_batch_size: [8],
      eval_delay: [0],
      prediction_loss_only: [false],
      eval_do_concat_batches: [true],
      eval_use_gather_object: [false],
      eval_accumulation_steps: [],
      include_for_metrics: [[]],
      batch_eval_metrics: [false],
      do_train: [true, false],
      do_eval: [true, false],
      do_predict: [false],
    },
  },
  {
    because: 'every update is a line of metrics.jsonl, with its tokens and its times; completions are in traces.jsonl',
    instead: 'logEvery says how often a line is printed, logCompletions how many completions, traces what is kept',
    options: {
      logging_strategy: ['steps'],
      logging_first_step: [false],
      logging_nan_inf_filter: [true, false],
      include_num_input_tokens_seen: ['no', false, 'all', 'non_padding', true],
      log_level: ['passive'],
      disable_tqdm: [true, false],
      log_multimodal: [true, false],
      log_unique_prompts: [false],
      skip_memory_metrics: [true],
      debug: ['', []],
    },
  },
  {
    because: 'nothing is sent anywhere',
    instead: 'the run folder holds it: upload it from there',
    options: {
      push_to_hub: [false],
      hub_token: [],
      hub_private_repo: [],
      hub_model_id: [],
      hub_strategy: ['every_save'],
      hub_always_push: [false],
      hub_revision: [],
      log_completions_hub_repo: [],
      project: ['huggingface'],
      trackio_space_id: [],
      trackio_bucket_id: [],
      trackio_static_space_id: [],
    },
  },
  {
    because:
      'a run goes to runs/NAME, or where --out says, and every checkpoint holds all that resuming byte for byte needs',
    instead: 'name names the run, train --resume DIR goes on, generate and merge read a checkpoint as a model',
    options: {
      output_dir: [],
      save_only_model: [false],
      enable_jit_checkpoint: [false],
      resume_from_checkpoint: [false],
      ignore_data_skip: [false],
      restore_callback_states_from_checkpoint: [true, false],
    },
  },
  {
    because: 'one seed decides every random number, and runs on the CPU repeat bit for bit',
    instead: 'set seed, and data.splitSeed for what is held out',
    options: { data_seed: [], full_determinism: [true, false] },
  },
];
