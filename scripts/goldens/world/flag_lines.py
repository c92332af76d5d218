"""Makes test/world/flag-line: command lines and config files as users of TRL write them, with the values that TRL's own parser
reads (TRL 1.16, `trl grpo`). Every row names our key beside TRL's option."""

import json
import os
import pathlib
import tempfile
import warnings

from trl import DatasetMixtureConfig, GRPOConfig, ModelConfig, TrlParser
from trl.scripts.grpo import GRPOScriptArguments

root = pathlib.Path(__file__).resolve().parents[3]
folder = root / "test" / "world" / "flag-line"
script = "scripts/goldens/world/flag_lines.py"

# Words that every line needs: TRL's own beside ours.
theirs = ["--dataset_name", "d", "--use_cpu", "true", "--output_dir", "o"]

# name: (words, files, {our key: TRL's option, or (option, function of its value)})
same = lambda value: value
lines = {
    "run-name-of-digits": (["--run_name", "007"], {}, {"name": "run_name"}),
    "run-name-1": (["--run_name", "1"], {}, {"name": "run_name"}),
    "dashes-in-names": (["--learning-rate", "1e-5", "--max-completion-length", "64"], {}, {"optimizer.learningRate": "learning_rate", "sampling.maxNewTokens": "max_completion_length"}),
    "equals-sign": (["--learning_rate=3e-6"], {}, {"optimizer.learningRate": "learning_rate"}),
    "list-of-weights": (["--reward_weights", "1", "0.5", "--seed", "3"], {}, {"rewards.0.weight": ("reward_weights", lambda v: v[0]), "rewards.1.weight": ("reward_weights", lambda v: v[1]), "seed": "seed"}),
    "list-of-modules": (["--use_peft", "--lora_target_modules", "q_proj", "v_proj"], {}, {"lora.targetModules": "lora_target_modules"}),
    "all-modules": (["--use_peft", "--lora_target_modules", "all-linear"], {}, {"lora.targetModules": "lora_target_modules"}),
    "one-module": (["--use_peft", "--lora_target_modules", "q_proj"], {}, {"lora.targetModules": ("lora_target_modules", lambda v: [v] if isinstance(v, str) else v)}),
    "flag-alone": (["--gradient_checkpointing"], {}, {"gradientCheckpointing": "gradient_checkpointing"}),
    "flag-yes": (["--mask_truncated_completions", "yes"], {}, {"overlongFilter": "mask_truncated_completions"}),
    "flag-capital-false": (["--shuffle_dataset", "False"], {}, {"taskOrder": ("shuffle_dataset", lambda v: "shuffled" if v else "sequential")}),
    "flag-0": (["--bf16", "0"], {}, {"dtype": ("bf16", lambda v: "bfloat16" if v else "float32")}),
    "flag-negated": (["--no_shuffle_dataset"], {}, {"taskOrder": ("shuffle_dataset", lambda v: "shuffled" if v else "sequential")}),
    "json-object": (["--chat_template_kwargs", '{"enable_thinking": false, "depth": 2}'], {}, {"chat.variables": "chat_template_kwargs"}),
    "json-of-schedule": (["--lr_scheduler_type", "cosine_with_min_lr", "--lr_scheduler_kwargs", '{"min_lr_rate": 0.1}'], {}, {"optimizer.finalShare": ("lr_scheduler_kwargs", lambda v: v["min_lr_rate"])}),
    "negative-number": (["--max_steps", "-1", "--num_train_epochs", "2"], {}, {"passes": "num_train_epochs"}),
    "exponent": (["--adam_epsilon", "1E-10", "--weight_decay", ".01"], {}, {"optimizer.adamEpsilon": "adam_epsilon", "optimizer.weightDecay": "weight_decay"}),
    "several-trackers": (["--report_to", "none"], {}, {"tensorboard": ("report_to", lambda v: "tensorboard" in v)}),
    "tracker-tensorboard": (["--report_to", "tensorboard"], {}, {"tensorboard": ("report_to", lambda v: "tensorboard" in v)}),
    "flag-over-file": (["--config", "run.yaml", "--learning_rate", "2e-6"], {"run.yaml": "learning_rate: 1e-5\ntop_p: 0.9\n"}, {"optimizer.learningRate": "learning_rate", "sampling.topP": "top_p"}),
    "off-over-file": (["--config", "run.yaml", "--log_completions", "false"], {"run.yaml": "log_completions: true\n"}, {"logCompletions": ("log_completions", lambda v: 4 if v else 0)}),
    "peft-off-over-file": (["--config", "run.yaml", "--use_peft", "false"], {"run.yaml": "use_peft: true\nlora_r: 8\n"}, {"lora": ("use_peft", lambda v: {} if v else None)}),
    "no-cpu-over-file": (["--config", "run.yaml", "--load_best_model_at_end", "false"], {"run.yaml": "load_best_model_at_end: true\neval_strategy: 'no'\n"}, {"best.metric": ("load_best_model_at_end", lambda v: "eval_reward" if v else None)}),
    "batch-sizes-over-file": (["--config", "run.yaml", "--gradient_accumulation_steps", "8"], {"run.yaml": "num_generations: 16\nper_device_train_batch_size: 8\ngradient_accumulation_steps: 4\n"}, {"groupSize": "num_generations", "startsPerBatch": ("generation_batch_size", lambda v: v // 16)}),
    "yaml-yes": (["--config", "run.yaml"], {"run.yaml": "use_peft: yes\ngradient_checkpointing: off\n"}, {"gradientCheckpointing": "gradient_checkpointing"}),
    "yaml-exponent": (["--config", "run.yaml"], {"run.yaml": "learning_rate: 1e-5\nbeta: 1.0e-3\n"}, {"optimizer.learningRate": ("learning_rate", float), "objective.kl.beta": "beta"}),
    "yaml-quoted-name": (["--config", "run.yaml"], {"run.yaml": "run_name: '007'\n"}, {"name": "run_name"}),
    "yaml-null": (["--config", "run.yaml"], {"run.yaml": "epsilon_high: null\nepsilon: 0.1\ntop_k: 0\nmin_p: ~\nrun_name:\n"}, {"objective.loss.low": "epsilon", "sampling.topK": "top_k"}),
    "yaml-merge-key": (["--config", "run.yaml"], {"run.yaml": "chat_template_kwargs: &c {a: 1}\ngeneration_kwargs: {}\nmodel_init_kwargs: {}\nlr_scheduler_kwargs: {}\n"}, {"chat.variables": "chat_template_kwargs"}),
    "yaml-list": (["--config", "run.yaml"], {"run.yaml": "reward_weights:\n  - 1\n  - 0.25\n"}, {"rewards.1.weight": ("reward_weights", lambda v: v[1])}),
    "yaml-windows-lines": (["--config", "run.yaml"], {"run.yaml": "temperature: 0.7\r\nseed: 7\r\n"}, {"sampling.temperature": "temperature", "seed": "seed"}),
    "generation-kwargs": (["--generation_kwargs", '{"stop_strings": ["</s>", "1"]}'], {}, {"sampling.stop": ("generation_kwargs", lambda v: v["stop_strings"])}),
    "dr-grpo": (["--loss_type", "dr_grpo", "--scale_rewards", "none", "--epsilon_high", "0.28"], {}, {"objective.loss.high": "epsilon_high", "advantage.baseline": ("scale_rewards", lambda v: "mean" if v == "none" else "std")}),
    "scale-rewards-false": (["--scale_rewards", "false"], {}, {"advantage.baseline": ("scale_rewards", lambda v: "mean" if v in ("none", "false", False) else "std")}),
    "warmup-share": (["--warmup_steps", "0.1", "--lr_scheduler_type", "linear"], {}, {"optimizer.warmupRatio": "warmup_steps"}),
    "think-format": (["--reward_funcs", "think_format_reward"], {}, {"rewards.0.builtIn": ("reward_funcs", lambda v: v[0])}),
    "two-reward-funcs": (["--reward_funcs", "think_format_reward", "get_soft_overlong_punishment"], {}, {"rewards.0.builtIn": ("reward_funcs", lambda v: v[0]), "rewards.1.overlongBuffer": ("reward_funcs", lambda v: 256 if v[1] == "get_soft_overlong_punishment" else None)}),
    "seed-as-large-as-kept": (["--seed", "4294967295"], {}, {"seed": "seed"}),
    "dtype": (["--dtype", "bfloat16"], {}, {"dtype": "dtype"}),
}


def parse(words, files):
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for name, text in files.items():
            pathlib.Path(place, name).write_bytes(text.encode())
        parser = TrlParser((GRPOScriptArguments, GRPOConfig, ModelConfig, DatasetMixtureConfig))
        parsed = parser.parse_args_and_config([*words, *theirs], fail_with_unknown_args=False)
        os.chdir("/")
        return {key: value for part in parsed for key, value in vars(part).items()}


def main():
    warnings.simplefilter("ignore")
    for name, (words, files, keys) in lines.items():
        options = parse(words, files)
        pairs = {key: option if isinstance(option, tuple) else (option, same) for key, option in keys.items()}
        config = {key: read(options[option]) for key, (option, read) in pairs.items()}
        named = ", ".join(sorted({option for option, _ in pairs.values()}))
        source = f"a user's line of `trl grpo`; TRL 1.16's TrlParser gives {named}"
        row = {"source": source, "script": script, "input": {"words": words, "files": files}, "expect": {"config": config}}
        (folder / f"{name}.json").write_text(json.dumps(row, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
