/** The README.md of models/cafe, with the numbers of the run that made it. */

const shown = [0, 1, 2, 4, 8];

export function cafeCard({ seed, text, answers, parameters, evaluation }) {
  const { k, solved, quality, tasks, draws } = evaluation;
  const row = (values, show) => shown.map((at) => show(values[k.indexOf(at)])).join(' | ');
  return `---
license: apache-2.0
library_name: exit-rl
---
# Café, base

The language model that [the café](../../examples/cafe/config.yaml) starts from: a Qwen2-shaped decoder of
${parameters.toLocaleString('en')} parameters with a byte-level BPE tokenizer of 384 entries and a ChatML template. It serves drinks
carelessly and is of no other use.

- **Tokenizer**: \`node scripts/make-cafe.mjs corpus 20000 | python scripts/train-tokenizer.py --vocabulary 384 --out models/cafe\`
- **Weights**: \`npm run build && node scripts/make-cafe.mjs model --seed ${seed} --text ${text} --answers ${answers}\`: drawn at
  random, then trained on conversations with a careless waiter, ${text} updates on all of their text and ${answers} on answers
  alone (32 conversations an update, AdamW (0.9, 0.98), learning rate 4e-3 and 2e-3, warm-up 50, linear to 5 %, weight
  decay 0.01, gradient clipped at 1), rounded to bf16. No data from elsewhere.
- **Format**: an ordinary Hugging Face folder; \`transformers\` loads it (\`Qwen2ForCausalLM\`).

Measured on the ${tasks} tables of examples/cafe/test.jsonl, ${draws} chains each, temperature 1:

| iterations k | ${shown.join(' | ')} |
|---|${shown.map(() => '---|').join('')}
| every guest happy % | ${row(solved, (share) => (100 * share).toFixed(1))} |
| share of guests happy | ${row(quality, (value) => value.toFixed(3))} |
`;
}
