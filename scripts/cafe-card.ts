/** Writes the README.md of models/cafe, with the numbers of the run that made it. */
import type { Evaluation } from '../src/evaluation/evaluation.js';

const shown = [0, 1, 2, 4, 8];

export interface CafeModel {
  readonly seed: string;
  /** Updates of each lesson. */
  readonly copying: string;
  readonly careful: string;
  readonly careless: string;
  readonly vocabulary: number;
  readonly parameters: number;
  readonly evaluation: Evaluation;
}

export function cafeCard({ seed, copying, careful, careless, vocabulary, parameters, evaluation }: CafeModel): string {
  const { k, solved, quality, tasks, draws } = evaluation;
  const row = (values: readonly number[], show: (value: number) => string): string =>
    shown.map((at) => show(values[k.indexOf(at)] ?? Number.NaN)).join(' | ');
  return `---
license: apache-2.0
library_name: exit-rl
---
# Café, base

The language model that [the café](../../examples/cafe/config.yaml) starts from: a Qwen2-shaped decoder of
${parameters.toLocaleString('en')} parameters with a byte-level BPE tokenizer of ${vocabulary} entries and a ChatML template. It serves meals
carelessly and is of no other use.

- **Tokenizer**: \`npx tsx scripts/make-cafe.ts corpus 20000 | python scripts/train-tokenizer.py --vocabulary 448 --out models/cafe\`
- **Weights**: \`npm run build && npx tsx scripts/make-cafe.ts model --seed ${seed}\`: drawn at random, then trained on answers in
  three lessons of ${copying}, ${careful} and ${careless} updates: to keep what is loved, the skill of a careful waiter, the habits
  of a careless one (48 prompts × 2 answers an update, AdamW (0.9, 0.98), learning rate 2e-3 and at last 1e-3, warm-up 50,
  linear to 5 %, weight decay 0.01, gradient clipped at 1), rounded to bf16. No data from elsewhere.
- **Format**: an ordinary Hugging Face folder; \`transformers\` loads it (\`Qwen2ForCausalLM\`).

Measured on the ${tasks} meals of examples/cafe/test.jsonl, ${draws} chains each, temperature 1:

| iterations k | ${shown.join(' | ')} |
|---|${shown.map(() => '---|').join('')}
| every dish right % | ${row(solved, (share) => (100 * share).toFixed(1))} |
| share of dishes right | ${row(quality, (value) => value.toFixed(3))} |
`;
}
