"""Makes test/golden/updates.json: loss, metrics and gradient of single updates, from plain PyTorch in fp64.

Seeded; versions in common.py. Every case with one sequence a rollout is compared with TRL's own loss code while it
is made (trl_check.py); cases of several turns a rollout have no counterpart in TRL.
"""

from batches import BatchMaker
from common import load_exact_model, write_json
from objective import forward_tokens
from training import READ_GRADIENT, SMALL_STEP, golden

GRPO = {
    "kind": "grpo",
    "clipEpsilonLow": 0.2,
    "clipEpsilonHigh": 0.2,
    "beta": 0.0,
    "normalisation": "sequence-mean",
    "maxCompletionLength": 9,
    "temperature": 1.0,
    "epochs": 1,
    "useRolloutLogprobs": False,
}
SUPERVISED = {"kind": "supervised"}


def settings(objective, optimizer=READ_GRADIENT):
    return {**optimizer, "objective": objective, "microbatchTokens": 4096}


def step(batch, optimizer=READ_GRADIENT, **changes):
    return {"batch": batch, "settings": settings({**GRPO, **changes}, optimizer)}


def current_logprobs(model_name, batch, temperature):
    model = load_exact_model(model_name)
    return [forward_tokens(model, batch["prompts"][row["prompt"]], row, temperature).logprobs for row in batch["sequences"]]


def on_policy(make, model_name):
    return [step(make.batch())]


def clipped(make, model_name):
    batch = make.batch(prompts=3)
    make.add_old_logprobs(batch, current_logprobs(model_name, batch, 0.7))
    return [step(batch, temperature=0.7, clipEpsilonHigh=0.28, useRolloutLogprobs=True)]


def clipped_token_mean(make, model_name):
    batch = make.batch(masked=True)
    make.add_old_logprobs(batch, current_logprobs(model_name, batch, 1.0))
    return [step(batch, normalisation="token-mean", clipEpsilonLow=0.1, useRolloutLogprobs=True)]


def constant(make, model_name):
    batch = make.batch(masked=True)
    make.add_old_logprobs(batch, current_logprobs(model_name, batch, 1.3))
    return [step(batch, normalisation="constant", maxCompletionLength=16, temperature=1.3, useRolloutLogprobs=True)]


def moved_policy(make):
    """A small supervised step, after which the policy is no longer its reference."""
    return {"batch": make.batch(), "settings": settings(SUPERVISED, SMALL_STEP)}


def kl(make, model_name):
    return [moved_policy(make), step(make.batch(), beta=0.04)]


def kl_clipped(make, model_name):
    batch = make.batch(masked=True)
    make.add_old_logprobs(batch, current_logprobs(model_name, batch, 0.7))
    return [moved_policy(make), step(batch, beta=0.04, normalisation="token-mean", temperature=0.7, useRolloutLogprobs=True)]


def kl_constant(make, model_name):
    return [moved_policy(make), step(make.batch(), beta=0.04, normalisation="constant")]


def group_of_one(make, model_name):
    return [step(make.batch(prompts=1, group_size=1))]


def equal_rewards(make, model_name, beta=0.0):
    batch = make.batch()
    for sequence in batch["sequences"]:
        sequence["advantage"] = 0.0
    return [step(batch, beta=beta)] if beta == 0 else [moved_policy(make), step(batch, beta=beta)]


def equal_rewards_kl(make, model_name):
    return equal_rewards(make, model_name, beta=0.04)


def one_group_equal(make, model_name):
    """Half of the advantages are zero: those sequences still count in every mean."""
    batch = make.batch()
    for sequence in batch["sequences"][:4]:
        sequence["advantage"] = 0.0
    return [step(batch)]


def mask_whole(batch, rows):
    for sequence in rows:
        sequence["mask"] = [0] * len(sequence["tokens"])
    return batch


def overlong(make, model_name):
    """Three of eight sequences wholly masked, as overlong filtering does."""
    batch = make.batch()
    return [step(mask_whole(batch, batch["sequences"][1:6:2]))]


def everything_masked(make, model_name):
    batch = make.batch()
    return [step(mask_whole(batch, batch["sequences"]))]


def everything_masked_tokens(make, model_name):
    batch = make.batch()
    return [step(mask_whole(batch, batch["sequences"]), normalisation="token-mean")]


def several_turns(make, model_name, **changes):
    """Rollouts of three turns: turn 1 of every rollout, then turn 2, each turn with its own prompt."""
    batch = {"prompts": [make.tokens(3, 12) for _ in range(5)], "sequences": []}
    for prompt, rollouts in enumerate([[0, 1, 2], [0], [1], [2], [0]]):
        batch["sequences"] += [make.sequence(prompt, rollout, masked=True) for rollout in rollouts]
    for sequence in batch["sequences"]:
        sequence["advantage"] = [0.75, -1.25, 0.5][sequence["rollout"]]
    return [step(batch, **changes)]


def several_turns_constant(make, model_name):
    return several_turns(make, model_name, normalisation="constant", maxCompletionLength=27)


def two_epochs(make, model_name):
    """π_old is the policy before the first epoch; the step between the epochs moves some ratios out of the clip range."""
    return [step(make.batch(), optimizer={**SMALL_STEP, "learningRate": 25.0}, epochs=2)]


def two_epochs_rollout(make, model_name):
    batch = make.batch(masked=True)
    make.add_old_logprobs(batch, current_logprobs(model_name, batch, 1.0), scale=0.05)
    return [step(batch, optimizer={**SMALL_STEP, "learningRate": 2.0}, epochs=2, useRolloutLogprobs=True, beta=0.04)]


def entropy_bonus(make, model_name):
    return [step(make.batch(masked=True), entropyCoefficient=0.3, temperature=0.7)]


def entropy_alone(make, model_name):
    """Equal rewards: all of the gradient is the entropy's."""
    batch = make.batch()
    for sequence in batch["sequences"]:
        sequence["advantage"] = 0.0
    return [step(batch, entropyCoefficient=-1.0)]


def clipped_gradient(make, model_name):
    return [step(make.batch(), optimizer={**READ_GRADIENT, "maxGradNorm": 0.25})]


def supervised(make, model_name):
    return [{"batch": make.batch(masked=True), "settings": settings(SUPERVISED)}]


CASES = [
    ("on policy", "llama-tied", on_policy),
    ("on policy, llama3 rope", "llama3-rope", on_policy),
    ("on policy, head apart", "llama-head-dim", on_policy),
    ("clip low and high, temperature 0.7", "qwen2", clipped),
    ("clip, token mean, masks", "llama-head-dim", clipped_token_mean),
    ("clip, constant, temperature 1.3", "qwen3", constant),
    ("kl", "qwen3", kl),
    ("kl, clip, token mean, temperature 0.7", "llama-tied", kl_clipped),
    ("kl, constant", "qwen2", kl_constant),
    ("group of one", "llama-tied", group_of_one),
    ("equal rewards", "llama-tied", equal_rewards),
    ("equal rewards, kl", "qwen2", equal_rewards_kl),
    ("one group of equal rewards", "qwen3", one_group_equal),
    ("overlong sequences masked", "llama-tied", overlong),
    ("everything masked", "llama-tied", everything_masked),
    ("everything masked, token mean", "qwen2", everything_masked_tokens),
    ("several turns", "llama-tied", several_turns),
    ("several turns, constant", "qwen3", several_turns_constant),
    ("two epochs", "llama-tied", two_epochs),
    ("two epochs, rollout log-probs, kl", "qwen2", two_epochs_rollout),
    ("gradient clipping", "llama-tied", clipped_gradient),
    ("supervised", "llama-tied", supervised),
    ("supervised, qwen3", "qwen3", supervised),
    ("entropy bonus", "qwen2", entropy_bonus),
    ("entropy alone", "llama-tied", entropy_alone),
]


def main():
    cases = []
    for seed, (name, model_name, make_steps) in enumerate(CASES, start=1000):
        make = BatchMaker(load_exact_model(model_name).config.vocab_size, seed)
        cases.append(golden(name, model_name, make_steps(make, model_name), seed))
    write_json("updates.json", {"cases": cases}, digits=10)


if __name__ == "__main__":
    main()
