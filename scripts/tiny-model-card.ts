/** Writes the README.md of models/tiny, with the numbers of the run that made it. */
import type { Evaluation } from '../src/evaluation/evaluation.js';

const shown = [0, 1, 2, 4, 8, 16];
const percent = (share: number): string => (100 * share).toFixed(1);

export interface TinyModel {
  readonly seed: number;
  readonly updates: number;
  readonly evaluation: Evaluation;
}

export function modelCard({ seed, updates, evaluation }: TinyModel): string {
  const { k, solved, quality, tasks, draws, fixedTotal, brokenTotal } = evaluation;
  const row = (values: readonly number[], show: (value: number) => string): string =>
    shown.map((at) => show(values[k.indexOf(at)] ?? Number.NaN)).join(' | ');
  return `---
license: apache-2.0
library_name: exit-rl
---
# Code breaker, base

The policy from which the embedded default of exit-rl starts: a Llama-shaped decoder of 205,696 parameters
(width 64, 4 layers, 4 query and 2 key/value heads of 16, SwiGLU 192, tied embeddings, 133 words) that plays
code breaker carelessly. It is made to be improved by reinforcement learning and is of no other use.

- **How it was made**: drawn at random from seed ${seed}, then ${updates.toLocaleString('en')} updates of supervised training on demonstrations
  by a player that uses the visible marks most of the time (16 tasks × 4 answers an update, AdamW (0.9, 0.98),
  learning rate 4e-3, warm-up 100, linear to 5 %, weight decay 0.01, gradient clipped at 1). No data from elsewhere.
- **Command**: \`npm run build && npx tsx scripts/make-tiny-model.ts --seed ${seed}\`
- **Format**: an ordinary Hugging Face folder; \`transformers\` loads it (\`LlamaForCausalLM\`, fp32). A prompt is text
  such as \`<bos> solve a1x … previous a? b? c? d? e? answer\`, an answer \`a2 b2 c4 d5 e1 <eos>\`.

Measured on the ${tasks} tasks of the split \`test\`, ${draws} chains each, temperature 1:

| iterations k | ${shown.join(' | ')} |
|---|${shown.map(() => '---|').join('')}
| solved % | ${row(solved, percent)} |
| quality | ${row(quality, (value) => value.toFixed(3))} |

Up to k = 16 the iterations fix ${percent(fixedTotal)} and break ${percent(brokenTotal)} answers per 100 chains.
`;
}
