/** `exit-rl score`: the log-probability of every token of the lines of a file. */
import type { CAC } from 'cac';
import type { LocalPolicy } from '../policy/local.js';
import { type Flags, numberOf, requiredText } from './flags.js';
import { chunksOf, type JsonLine, readJsonLines, textOf, tokensOf } from './json-lines.js';
import { printJson } from './output.js';
import { loadPolicy, policyChoice } from './policy.js';

const linesAtOnce = 64;

/** `{"tokens"}` as they are, or `{"prompt", "completion"}` tokenised apart and joined, as in training. */
function readTokens(policy: LocalPolicy, line: JsonLine): Int32Array {
  const tokens = tokensOf(line, 'tokens');
  if (tokens !== undefined) return tokens;
  const [prompt, completion] = policy.encode([textOf(line, 'prompt'), textOf(line, 'completion')]);
  return Int32Array.from([...(prompt ?? []), ...(completion ?? [])]);
}

/** Log-probabilities after the first token, which has nothing before it and is `null`. */
async function scoreLines(policy: LocalPolicy, lines: readonly JsonLine[], temperature: number): Promise<object[]> {
  const texts = lines.map((line) => readTokens(policy, line));
  const scored = texts.filter((tokens) => tokens.length > 1);
  const sequences = scored.map((tokens, at) => ({ prompt: at, tokens: tokens.subarray(1), rollout: at, advantage: 0 }));
  const prompts = scored.map((tokens) => tokens.subarray(0, 1));
  const logprobs = scored.length > 0 ? await policy.score({ prompts, sequences }, temperature) : [];
  const byTokens = new Map(scored.map((tokens, at) => [tokens, logprobs[at]]));
  return texts.map((tokens) => ({
    tokens: Array.from(tokens),
    logprobs: [null, ...(byTokens.get(tokens) ?? [])].slice(0, tokens.length),
  }));
}

async function runScore(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'a model folder');
  const file = requiredText(process.argv, 'input', 'a file with one JSON object a line, or -');
  const temperature = numberOf(flags, 'temperature', 1);
  const policy = await loadPolicy(model, policyChoice(flags));
  try {
    for await (const lines of chunksOf(readJsonLines(file), linesAtOnce)) {
      for (const scored of await scoreLines(policy, lines, temperature)) await printJson(scored);
    }
  } finally {
    await policy.close();
  }
}

export function registerScore(cli: CAC): void {
  cli
    .command('score', 'Log-probabilities of the tokens of {"prompt","completion"} or {"tokens"} lines')
    .option('--model <folder>', 'Model folder (Hugging Face layout)')
    .option('--adapter <folder>', 'PEFT folder of an adapter for that model')
    .option('--input <file>', 'One JSON object a line; - reads standard input')
    .option('--temperature <number>', 'Logits are divided by it (default: 1)')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Accepted for symmetry: the output is JSON lines anyway')
    .action(runScore);
}
