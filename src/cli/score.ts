/** `exit-rl score`: prints the log-probability of every token of the lines of a file. */
import type { CAC } from 'cac';
import type { ChatOptions } from '../chat/template.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import { loadPolicy } from '../run/assemble.js';
import { type Flags, nonNegative, requiredText } from './flags.js';
import { chatOptions, readMessages } from './generate/read-prompts.js';
import { inChunks, type JsonLine, readJsonLines, readText, readTokens } from './json-lines.js';
import { printJson } from './output.js';
import { policyChoice } from './policy-flags.js';

const linesAtOnce = 64;

/**
 * Encodes a line: `{"tokens"}` are taken as they are; `{"prompt", "completion"}` are tokenised separately and joined, as
 * in training; `{"messages"}` are rendered by the chat template, with a `completion` after the assistant's header.
 */
async function encodeLine(policy: LocalPolicy, line: JsonLine, chat: ChatOptions): Promise<Int32Array> {
  const tokens = readTokens(line, 'tokens');
  if (tokens !== undefined) return tokens;
  const messages = readMessages(line);
  const hasCompletion = messages === undefined || line.value.completion !== undefined;
  const options = { ...chat, addGenerationPrompt: hasCompletion };
  const prompt = await policy.encodePrompt(messages ?? readText(line, 'prompt'), options);
  const [completion] = hasCompletion ? policy.encode([readText(line, 'completion')]) : [];
  return Int32Array.from([...prompt, ...(completion ?? [])]);
}

/** Computes the log-probability of every token given those before it; that of the first token is `null`. */
async function computeLogprobs(
  policy: LocalPolicy,
  lists: readonly Int32Array[],
  temperature: number,
): Promise<object[]> {
  const measurable = lists.filter((tokens) => tokens.length > 1);
  const sequences = measurable.map((tokens, at) => ({
    prompt: at,
    tokens: tokens.subarray(1),
    rollout: at,
    advantage: 0,
  }));
  const prompts = measurable.map((tokens) => tokens.subarray(0, 1));
  const logprobs = measurable.length > 0 ? await policy.logprobs({ prompts, sequences }, temperature) : [];
  const byTokens = new Map(measurable.map((tokens, at) => [tokens, logprobs[at]]));
  return lists.map((tokens) => ({
    tokens: Array.from(tokens),
    logprobs: [null, ...(byTokens.get(tokens) ?? [])].slice(0, tokens.length),
  }));
}

async function runScore(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'a model folder, or a fetched owner/name');
  const file = requiredText(process.argv, 'input', 'a file with one JSON object per line, or -');
  const temperature = nonNegative(flags, 'temperature', 1);
  const chat = chatOptions(process.argv);
  const { resolveModel } = await import('../run/checkpoint.js');
  const policy = await loadPolicy(await resolveModel(model), policyChoice(flags));
  try {
    for await (const lines of inChunks(readJsonLines(file), linesAtOnce)) {
      const lists = await Promise.all(lines.map((line) => encodeLine(policy, line, chat)));
      for (const computed of await computeLogprobs(policy, lists, temperature)) await printJson(computed);
    }
  } finally {
    await policy.close();
  }
}

export function registerScore(cli: CAC): void {
  cli
    .command('score', 'Print log-probabilities of {"prompt","completion"}, {"messages"} or {"tokens"} lines')
    .option('--model <folder>', 'Model folder (Hugging Face layout), run folder, or owner/name that was fetched')
    .option('--adapter <folder>', 'PEFT folder of an adapter for that model')
    .option('--input <file>', 'One JSON object per line; - reads standard input')
    .option('--temperature <number>', 'Divide the logits by this temperature (default: 1)')
    .option(
      '--chat-template <name>',
      "One of the folder's named templates (default: tool_use with tools, else default)",
    )
    .option('--tools <file>', 'JSON list of tools for {"messages"} lines, as OpenAI\'s API takes them')
    .option('--date <day>', "The chat template's date, YYYY-MM-DD (default: 2024-07-26)")
    .option('--template-variables <json>', 'More variables of the chat template')
    .option('--continue-final-message', 'Continue the last message of {"messages"}, of the assistant for example')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Accepted for symmetry: the output is always JSON lines')
    .action(runScore);
}
