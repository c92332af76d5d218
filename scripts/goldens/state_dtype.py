"""Makes test/golden/state-dtype.json: AdamW with moments in bf16, by PyTorch's own fused kernel.

Seeded; versions in common.py. Arithmetic in fp32, moments rounded to bf16 after every step: four steps with weight
decay and a gradient scale, as the product's optimizer takes them slice by slice.
"""

import torch

from common import write_json

NUMBERS = 301
STEPS = 4
SETTINGS = {"lr": 3e-3, "beta1": 0.9, "beta2": 0.95, "weight_decay": 0.1, "eps": 1e-8}
SCALE = 0.37


def main():
    generator = torch.Generator().manual_seed(77)
    param = torch.randn(NUMBERS, generator=generator)
    grads = [torch.randn(NUMBERS, generator=generator) * 10.0 ** torch.randint(-6, 2, (NUMBERS,), generator=generator) for _ in range(STEPS)]
    start = param.tolist()
    moments = [torch.zeros(NUMBERS, dtype=torch.bfloat16) for _ in range(2)]
    for step, grad in enumerate(grads, start=1):
        first, second = (moment.float() for moment in moments)
        torch._fused_adamw_(
            [param], [grad * SCALE], [first], [second], [], [torch.tensor(float(step))],
            amsgrad=False, maximize=False, grad_scale=None, found_inf=None, **SETTINGS,
        )
        moments = [first.bfloat16(), second.bfloat16()]
    content = {
        **SETTINGS,
        "scale": SCALE,
        "start": start,
        "grads": [grad.tolist() for grad in grads],
        "param": param.tolist(),
        "exp_avg": moments[0].float().tolist(),
        "exp_avg_sq": moments[1].float().tolist(),
    }
    write_json("state-dtype.json", content)


if __name__ == "__main__":
    main()
