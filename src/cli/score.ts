/** `exit-rl score`: prints the log-probability of every token of the lines of a file. */
import type { CAC } from 'cac';
import { UsageError } from '../errors.js';
import type { EncodePromptOptions, LocalPolicy } from '../policy/local-policy.js';
import { loadPolicy } from '../run/assemble.js';
import { atLine } from './at-line.js';
import { type Flags, nonNegative, requiredText } from './flags.js';
import { addSpecialTokens } from './generate/generation-flags.js';
import { chatOptions, lineChat, lineMessages, promptKeys } from './generate/read-prompts.js';
import { inChunks, type JsonLine, readJsonLines, readText, readTokens } from './json-lines.js';
import { LabelReader, requireKnownKeys } from './line-keys.js';
import { printJson } from './output.js';
import { adapterHelp, modelHelp, modelWords, policyChoice } from './policy-flags.js';

const linesAtOnce = 64;

const scoreKeys = [...promptKeys, 'completion'];

/**
 * Encodes a line: `{"tokens"}` are taken as they are; `{"prompt", "completion"}` are tokenised separately and joined, as
 * in training, with the tokenizer's special tokens around the prompt; `{"messages"}` are rendered by the chat template, with
 * a `completion` after the assistant's header.
 */
async function encodeLine(policy: LocalPolicy, line: JsonLine, options: EncodePromptOptions): Promise<Int32Array> {
  const tokens = readTokens(line, 'tokens');
  const { value, place } = line;
  if (tokens !== undefined && value.completion !== undefined)
    throw new UsageError(`${place}: \`completion\` needs \`prompt\` or \`messages\`, not \`tokens\``, { place });
  const messages = lineMessages(line);
  if (tokens !== undefined) return tokens;
  const hasCompletion = messages === undefined || value.completion !== undefined;
  const own = { ...options, ...lineChat(line, options) };
  const ofLine = { ...own, addGenerationPrompt: hasCompletion && own.continueFinalMessage !== true };
  const prompt = await policy.encodePrompt(messages ?? readText(line, 'prompt'), ofLine);
  const [completion] = hasCompletion ? policy.encode([readText(line, 'completion')]) : [];
  return Int32Array.from([...prompt, ...(completion ?? [])]);
}

/** Requires tokens of the vocabulary that fit the context. @throws UsageError that names the line. */
function requireScorable(policy: LocalPolicy, tokens: Int32Array, place: string): void {
  const { vocabularySize, contextLength } = policy.info();
  const unknown = tokens.find((token) => token >= vocabularySize);
  if (unknown !== undefined)
    throw new UsageError(`${place}: token ${unknown} is outside the vocabulary of ${vocabularySize}`, { place });
  if (tokens.length > contextLength)
    throw new UsageError(`${place}: it has ${tokens.length} tokens, the context holds ${contextLength}`, { place });
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
  const model = requiredText(process.argv, 'model', modelWords);
  const file = requiredText(process.argv, 'input', 'a file with one JSON object per line, or -');
  const temperature = nonNegative(flags, 'temperature', 1);
  const options = { ...chatOptions(process.argv), addSpecialTokens: addSpecialTokens(process.argv) };
  const policy = await loadPolicy(model, policyChoice(flags));
  try {
    const reader = new LabelReader();
    for await (const lines of inChunks(readJsonLines(file), linesAtOnce)) {
      for (const line of lines) requireKnownKeys(line, scoreKeys);
      const labels = lines.map((line) => reader.read(line));
      const lists = await Promise.all(lines.map((line) => atLine(line, () => encodeLine(policy, line, options))));
      for (const [at, tokens] of lists.entries()) requireScorable(policy, tokens, lines[at]?.place ?? file);
      const computed = await computeLogprobs(policy, lists, temperature);
      for (const [at, one] of computed.entries()) await printJson({ ...labels[at], ...one });
    }
  } finally {
    await policy.close();
  }
}

export function registerScore(cli: CAC): void {
  cli
    .command('score', 'Print log-probabilities of {"prompt","completion"}, {"messages"} or {"tokens"} lines')
    .option('--model <model>', modelHelp)
    .option('--adapter <folder>', adapterHelp)
    .option('--input <file>', 'One JSON object per line; - reads standard input')
    .option('--temperature <number>', 'Divide the logits by this temperature, above 0 (default: 1)')
    .option(
      '--chat-template <name>',
      "One of the folder's named templates (default: tool_use with tools, else default)",
    )
    .option('--tools <file>', 'JSON list of tools for {"messages"} lines, as OpenAI\'s API takes them')
    .option('--date <day>', "The chat template's date, YYYY-MM-DD (default: 2024-07-26)")
    .option('--template-variables <json>', 'More variables of the chat template')
    .option('--add-special-tokens <boolean>', 'false: prompts hold their special tokens themselves (default: true)')
    .option('--continue-final-message', 'Continue the last message of {"messages"}, of the assistant for example')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Accepted for symmetry: the output is always JSON lines')
    .action(runScore);
}
