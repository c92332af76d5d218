/** `exit-rl generate`: completes a prompt, a conversation, or every line of a file, in order. */
import type { CAC } from 'cac';
import type { ChatOptions } from '../chat/template.js';
import { UsageError } from '../errors.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import type { Completion, GenerateRequest, Sampling } from '../policy/policy.js';
import { defaultSampling } from '../policy/sampling.js';
import { createRng } from '../rng.js';
import { loadPolicy } from '../run/assemble.js';
import { type Flags, nonNegative, requiredText, textFlag, textFlags, wholeNumber } from './flags.js';
import { chatOptions, lineToPrompt, type PromptForm, textToPrompt } from './generate/read-prompts.js';
import { outputText } from './generate/terminal.js';
import { inChunks, readJsonLines } from './json-lines.js';
import { onClosedOutput, printJson, printLine } from './output.js';
import { policyChoice } from './policy-flags.js';

interface GenerateSettings {
  readonly n: number;
  readonly seed: number;
  readonly sampling: Sampling;
  readonly form: PromptForm;
  readonly chat: ChatOptions;
}

/** Lines in flight: enough to fill the engine's batch, few enough to print the first answers early. */
const linesInFlight = 256;

function readSettings(flags: Flags): GenerateSettings {
  const sampling: Sampling = {
    temperature: nonNegative(flags, 'temperature', defaultSampling.temperature),
    maxNewTokens: wholeNumber(flags, 'maxNewTokens', defaultSampling.maxNewTokens, 1),
    topK: wholeNumber(flags, 'topK', defaultSampling.topK),
    topP: nonNegative(flags, 'topP', defaultSampling.topP),
    minP: nonNegative(flags, 'minP', defaultSampling.minP),
    stop: stopTexts(process.argv),
    includeStopText: Boolean(flags.includeStopText),
  };
  const system = textFlag(process.argv, 'system');
  if (system !== undefined && !flags.chat) throw new UsageError('--system needs --chat');
  return {
    n: wholeNumber(flags, 'n', 1, 1),
    seed: wholeNumber(flags, 'seed', 0),
    sampling,
    form: { chat: Boolean(flags.chat), system },
    chat: chatOptions(process.argv),
  };
}

function stopTexts(argv: readonly string[]): string[] {
  const texts = textFlags(argv, 'stop');
  if (texts.includes('')) throw new UsageError('--stop takes a text that is not empty');
  return texts;
}

function toJson({ text, tokens, logprobs, finishReason }: Completion): object {
  return { text, tokens: Array.from(tokens), logprobs: Array.from(logprobs), finishReason };
}

/** Creates the request of a line; its random numbers depend only on the seed and on the line's place in the file. */
function createRequest(prompt: GenerateRequest['prompt'], place: number, settings: GenerateSettings): GenerateRequest {
  const { n, seed, sampling, chat } = settings;
  return { prompt, n, sampling, seed, chat, requestId: createRng(seed).fork('line', place).id() };
}

async function completeFile(policy: LocalPolicy, file: string, settings: GenerateSettings): Promise<void> {
  let place = 0;
  for await (const lines of inChunks(readJsonLines(file), linesInFlight)) {
    const prompts = lines.map((line) => lineToPrompt(line, settings.form));
    const requests = prompts.map((prompt) => policy.generate(createRequest(prompt, place++, settings)));
    for (const { completions } of await Promise.all(requests)) {
      await printJson({ completions: completions.map(toJson) });
    }
  }
}

async function completePrompt(
  policy: LocalPolicy,
  text: string,
  settings: GenerateSettings,
  json: boolean,
): Promise<void> {
  const request = createRequest(textToPrompt(text, settings.form), 0, settings);
  if (json || settings.n > 1) {
    const { completions } = await policy.generate(request);
    if (json) return printJson({ completions: completions.map(toJson) });
    for (const { text: answer } of completions) await printLine(outputText(answer));
    return;
  }
  for await (const piece of policy.stream(request)) process.stdout.write(outputText(piece.text));
  await printLine('');
}

async function runGenerate(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'a model folder, a run folder, or a fetched owner/name');
  const prompt = textFlag(process.argv, 'prompt');
  const file = textFlag(process.argv, 'input');
  const settings = readSettings(flags);
  const isConversation = settings.form.chat && prompt === undefined && file === undefined;
  if (!isConversation && (prompt === undefined) === (file === undefined))
    throw new UsageError('generate takes either --prompt or --input');
  if (isConversation && !process.stdin.isTTY)
    throw new UsageError('--chat without --prompt or --input needs a terminal');
  const { resolveModel } = await import('../run/checkpoint.js');
  const policy = await loadPolicy(await resolveModel(model), policyChoice(flags));
  onClosedOutput(() => process.exit(0));
  try {
    if (file !== undefined) return await completeFile(policy, file, settings);
    if (prompt !== undefined) return await completePrompt(policy, prompt, settings, Boolean(flags.json));
    const { chatAtTerminal } = await import('./generate/interactive.js');
    process.exitCode = await chatAtTerminal(policy, { ...settings, system: settings.form.system });
  } finally {
    await policy.close();
  }
}

export function registerGenerate(cli: CAC): void {
  cli
    .command('generate', 'Complete a prompt, a conversation, or every line of a file')
    .option('--model <folder>', 'Model folder (Hugging Face layout), run folder, or owner/name that was fetched')
    .option('--adapter <folder>', 'PEFT folder of an adapter for that model')
    .option('--prompt <text>', 'One prompt')
    .option(
      '--input <file>',
      'One JSON object per line: {"prompt"}, {"messages"} or {"tokens"}; - reads standard input',
    )
    .option('--chat', "Render prompts with the model's chat template; without a prompt, chat at this terminal")
    .option('--system <text>', 'System message of the conversation')
    .option(
      '--chat-template <name>',
      "One of the folder's named templates (default: tool_use with tools, else default)",
    )
    .option('--tools <file>', "JSON list of tools the model may call, as OpenAI's API takes them")
    .option('--date <day>', "The chat template's date, YYYY-MM-DD (default: 2024-07-26)")
    .option('--template-variables <json>', 'More variables of the chat template, e.g. {"enable_thinking":false}')
    .option('--continue-final-message', 'Continue the last message of {"messages"}, of the assistant for example')
    .option('--n <number>', 'Completions of each prompt (default: 1)')
    .option('--temperature <number>', '0 is greedy (default: 1)')
    .option('--max-new-tokens <number>', 'Longest completion (default: 256)')
    .option('--top-k <number>', 'Keep the k likeliest tokens (default: all)')
    .option('--top-p <number>', 'Keep the smallest set of this probability (default: 1)')
    .option('--min-p <number>', "Drop tokens below this share of the likeliest one's probability (default: 0)")
    .option('--stop <text>', 'End a completion before this text (repeatable)')
    .option('--include-stop-text', 'Keep the stop text in the completion')
    .option('--seed <number>', 'Seed of every random number (default: 0)')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Print {"completions"} for --prompt as well')
    .action(runGenerate);
}
