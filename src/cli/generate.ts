/** `exit-rl generate`: completions of a prompt, or of every line of a file, in the same order. */
import type { CAC } from 'cac';
import { UsageError } from '../errors.js';
import type { Completion, Policy, Sampling } from '../policy/policy.js';
import { createRng } from '../rng.js';
import { type Flags, numberOf, requiredText, textFlag, wholeNumber } from './flags.js';
import { chunksOf, type JsonLine, readJsonLines, textOf, tokensOf } from './json-lines.js';
import { onClosedOutput, printJson, printLine } from './output.js';
import { loadPolicy, policyChoice } from './policy.js';

interface GenerateSettings {
  readonly n: number;
  readonly seed: number;
  readonly sampling: Sampling;
}

/** Lines in flight: enough to fill the engine's batch, few enough to answer early. */
const linesInFlight = 256;

function settingsOf(flags: Flags): GenerateSettings {
  const sampling: Sampling = {
    temperature: numberOf(flags, 'temperature', 1),
    maxNewTokens: wholeNumber(flags, 'maxNewTokens', 256, 1),
    topK: wholeNumber(flags, 'topK', 0),
    topP: numberOf(flags, 'topP', 1),
    minP: numberOf(flags, 'minP', 0),
  };
  return { n: wholeNumber(flags, 'n', 1, 1), seed: wholeNumber(flags, 'seed', 0), sampling };
}

function shownCompletion({ text, tokens, logprobs, finishReason }: Completion): object {
  return { text, tokens: Array.from(tokens), logprobs: Array.from(logprobs), finishReason };
}

const promptOf = (line: JsonLine): string | Int32Array => tokensOf(line, 'tokens') ?? textOf(line, 'prompt');

/** The random numbers of a line depend on the seed and its place in the file alone. */
async function complete(
  policy: Policy,
  prompt: string | Int32Array,
  place: number,
  { n, seed, sampling }: GenerateSettings,
): Promise<readonly Completion[]> {
  const requestId = createRng(seed).fork('line', place).id();
  return (await policy.generate({ prompt, n, sampling, seed, requestId })).completions;
}

async function completeFile(policy: Policy, file: string, settings: GenerateSettings): Promise<void> {
  let place = 0;
  for await (const lines of chunksOf(readJsonLines(file), linesInFlight)) {
    const prompts = lines.map(promptOf);
    const answers = await Promise.all(prompts.map((prompt) => complete(policy, prompt, place++, settings)));
    for (const completions of answers) await printJson({ completions: completions.map(shownCompletion) });
  }
}

async function runGenerate(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'a model folder');
  const [prompt, file] = [textFlag(process.argv, 'prompt'), textFlag(process.argv, 'input')];
  if ((prompt === undefined) === (file === undefined))
    throw new UsageError('generate takes either --prompt or --input');
  const settings = settingsOf(flags);
  const policy = await loadPolicy(model, policyChoice(flags));
  onClosedOutput(() => process.exit(0));
  try {
    if (file !== undefined) return await completeFile(policy, file, settings);
    const completions = await complete(policy, prompt ?? '', 0, settings);
    if (flags.json) await printJson({ completions: completions.map(shownCompletion) });
    else for (const { text } of completions) await printLine(text);
  } finally {
    await policy.close();
  }
}

export function registerGenerate(cli: CAC): void {
  cli
    .command('generate', 'Completions of a prompt, or of every line {"prompt"} or {"tokens"} of a file')
    .option('--model <folder>', 'Model folder (Hugging Face layout)')
    .option('--adapter <folder>', 'PEFT folder of an adapter for that model')
    .option('--prompt <text>', 'One prompt')
    .option('--input <file>', 'One JSON object a line; - reads standard input')
    .option('--n <number>', 'Completions of each prompt (default: 1)')
    .option('--temperature <number>', '0 is greedy (default: 1)')
    .option('--max-new-tokens <number>', 'Longest completion (default: 256)')
    .option('--top-k <number>', 'Keep the k likeliest tokens (default: all)')
    .option('--top-p <number>', 'Keep the smallest set of this probability (default: 1)')
    .option('--min-p <number>', "Drop tokens below this share of the likeliest one's probability (default: 0)")
    .option('--seed <number>', 'Decides every random number (default: 0)')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Print {"completions"} for --prompt as well')
    .action(runGenerate);
}
