/**
 * Lists the options of TRL 1.16 (GRPOConfig with transformers' TrainingArguments, ModelConfig, ScriptArguments) that are not
 * offered, each with the reason and the alternative.
 */

export interface Refusal {
  readonly because: string;
  readonly instead: string;
  /** Every option, with its neutral values: these and null are accepted. */
  readonly options: Readonly<Record<string, readonly unknown[]>>;
}

export const refusals: readonly Refusal[] = [
  {
    because: 'completions are drawn by the trainer itself, from the weights that are trained; there is no vLLM',
    instead: 'leave it out; exit-rl doctor --model shows the memory that generation takes',
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
    because: 'generation always uses continuous batching and its own cache',
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
    because: 'the engine uses hand-written kernels, computes the head in parts, and is not compiled at run time',
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
    because: 'the engine computes in float32, or in bfloat16 with float32 copies, and does not quantise',
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
    because: 'the loss is that of docs/objectives.md, without further terms',
    instead: 'leave it out; lora.dropout sets the dropout of an adapter',
    options: {
      label_smoothing_factor: [0],
      neftune_noise_alpha: [],
      router_aux_loss_coef: [0],
      disable_dropout: [false],
    },
  },
  {
    because:
      'tokens are drawn from the policy with temperature, topK, topP and minP alone, so that training uses the log-probabilities of sampling',
    instead:
      'set the keys of the section `sampling`; generation_kwargs accepts stop, stop_strings, stop_token_ids and include_stop_str_in_output; the reward function `repetition_penalty_reward` penalises repetition',
    options: { repetition_penalty: [1], generation_kwargs: [{}] },
  },
  {
    because: 'other keys set this here',
    instead:
      'set model and dtype; exit-rl fetch downloads a model from the hub; lora.adapter starts from a PEFT folder',
    options: {
      model_init_kwargs: [{}],
      model_revision: ['main'],
      trust_remote_code: [false],
      ignore_bias_buffers: [false],
    },
  },
  {
    because: 'adapters are LoRA and DoRA on linear modules',
    instead: 'set the keys of the section `lora`',
    options: {
      lora_target_parameters: [],
      lora_task_type: ['CAUSAL_LM'],
    },
  },
  {
    because: 'data is read from files',
    instead: 'name them in data.train and data.test, or hold out a share with data.testShare',
    options: {
      datasets: [[]],
      streaming: [false],
      test_split_size: [],
      dataset_name: [],
      dataset_config: [],
      dataset_train_split: ['train'],
      dataset_test_split: ['test'],
      dataset_streaming: [false],
    },
  },
  {
    because: 'rewards are functions',
    instead: 'write a function in a file .ts/.js that asks the reward model, and name it in rewards',
    options: { reward_model_name_or_path: [] },
  },
  {
    because: 'a task family decides how many turns an episode has',
    instead: 'limit the turns in the task',
    options: { max_tool_calling_iterations: [] },
  },
  {
    because: 'rows are read once and kept; reward functions receive every column',
    instead: 'set data.columns to choose columns, and shuffle_dataset or taskOrder to choose the order',
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
    because: 'a batch holds whole groups and does not shrink',
    instead: 'lower microbatchTokens, which does not change the results',
    options: { auto_find_batch_size: [false] },
  },
  {
    because:
      'an evaluation generates for all prompts together and measures rewards; the engine cuts them to fit in memory',
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
    instead:
      'set logEvery (updates between printed lines), logCompletions (completions printed) and traces (rollouts written)',
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
    because: 'a run uploads nothing',
    instead: 'upload the run folder yourself',
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
      'a run is written to runs/NAME or to --out, and every checkpoint holds the whole state, so that a resumed run repeats byte for byte',
    instead: 'set name; train --resume DIR continues a run; generate and merge read a checkpoint as a model',
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
    instead: 'set seed, and data.splitSeed for the held-out rows',
    options: { data_seed: [], full_determinism: [true, false] },
  },
];
