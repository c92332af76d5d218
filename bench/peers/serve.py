"""The Python side of a benchmark: one JSON command a line on stdin, one JSON answer a line on stdout.

{"do": "load", "folder", "threads"} → versions
{"do": "rollout", "prompts": [[token…]…], "new_tokens"} → {"seconds"}              transformers generate
{"do": "iterations", "prompts": [text…], "group_size", "new_tokens", "warmup", "steps"}
    → {"step_seconds": […], "update_seconds": […]}                                  TRL GRPOTrainer
"""

import importlib.metadata
import json
import os
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

# Libraries print to stdout at will; the answers keep the real one.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Peer:
    def load(self, folder, threads):
        torch.set_num_threads(threads)
        self.folder = folder
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        names = ["torch", "transformers", "trl", "accelerate"]
        return {"versions": {name: importlib.metadata.version(name) for name in names}, "threads": torch.get_num_threads()}

    def rollout(self, prompts, new_tokens):
        """Samples at temperature 1 from the full softmax, as the product does."""
        ids = torch.tensor(prompts)
        began = time.perf_counter()
        out = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=True,
            temperature=1.0, top_k=0, top_p=1.0, eos_token_id=None, pad_token_id=0,
        )
        seconds = time.perf_counter() - began
        assert out.shape == (len(prompts), len(prompts[0]) + new_tokens), out.shape
        return {"seconds": seconds}

    def iterations(self, prompts, group_size, new_tokens, warmup, steps):
        trainer = make_trainer(self.folder, prompts, group_size, new_tokens, warmup + steps)
        trainer.train()
        assert trainer.completion_lengths == {new_tokens}, trainer.completion_lengths
        return {"step_seconds": trainer.step_seconds[warmup:], "update_seconds": trainer.update_seconds[warmup:]}


def even_words(completion_ids, **_):
    """A reward that costs next to nothing: the share of even tokens."""
    return [sum(token % 2 == 0 for token in tokens) / len(tokens) for tokens in completion_ids]


def make_trainer(folder, prompts, group_size, new_tokens, steps):
    """TRL's usual settings without logging, saving and gradient checkpointing; one optimizer step a batch, fp32."""
    from datasets import Dataset
    from trl import GRPOConfig

    arguments = GRPOConfig(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, report_to=[], save_strategy="no", logging_strategy="no",
        disable_tqdm=True, max_steps=steps, per_device_train_batch_size=len(prompts) * group_size, num_generations=group_size,
        max_completion_length=new_tokens, temperature=1.0, beta=0.0, loss_type="grpo", learning_rate=3e-4, adam_beta2=0.95,
        max_grad_norm=1.0, gradient_checkpointing=False, lr_scheduler_type="constant", shuffle_dataset=False, dataloader_pin_memory=False,
        # The trainer takes the end token from the tokenizer: this keeps it from being sampled, so lengths are fixed.
        generation_kwargs={"min_new_tokens": new_tokens},
    )
    rows = Dataset.from_list([{"prompt": prompt} for prompt in prompts])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return timed_trainer()(
        model=model, reward_funcs=even_words, args=arguments, train_dataset=rows, processing_class=tokenizer, callbacks=[StepClock()]
    )


class StepClock(TrainerCallback):
    """Time of every training step, from its begin to its end."""

    def on_step_begin(self, args, state, control, **_):
        self.began = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.trainer.step_seconds.append(time.perf_counter() - self.began)
        self.trainer.update_seconds.append(self.trainer.step_seconds[-1] - self.trainer.rollout_seconds)


def timed_trainer():
    """GRPOTrainer that also times its rollout and scoring; the class is made here because importing TRL takes seconds."""
    from trl import GRPOTrainer

    class Timed(GRPOTrainer):
        def __init__(self, **options):
            super().__init__(**options)
            self.step_seconds, self.update_seconds, self.completion_lengths = [], [], set()
            next(item for item in self.callback_handler.callbacks if isinstance(item, StepClock)).trainer = self

        def _generate_and_score_completions(self, inputs):
            began = time.perf_counter()
            output = super()._generate_and_score_completions(inputs)
            self.rollout_seconds = time.perf_counter() - began
            self.completion_lengths |= set(output["completion_mask"].sum(1).tolist())
            return output

    return Timed


def main():
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(peer, command.pop("do"))(**command)
        ANSWERS.write(json.dumps(answer) + "\n")
        ANSWERS.flush()


if __name__ == "__main__":
    main()
