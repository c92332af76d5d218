/** `exit-rl generate`: completes a prompt, a conversation, or every line of a file, in order. */
import type { CAC } from 'cac';
import { UsageError } from '../errors.js';
import type { LocalPolicy } from '../policy/local-policy.js';
import type { Completion, Sampling } from '../policy/policy.js';
import { defaultSampling } from '../policy/sampling.js';
import { loadPolicy } from '../run/assemble.js';
import { atLine } from './at-line.js';
import { type Flags, nonNegative, requiredText, textFlag, textFlags, wholeNumber } from './flags.js';
import { addSpecialTokens, tokenRules } from './generate/generation-flags.js';
import { type GenerateSettings, LineRequests, requestNumber } from './generate/line-request.js';
import { chatOptions, textToPrompt } from './generate/read-prompts.js';
import { outputText } from './generate/terminal.js';
import { inChunks, readJsonLines } from './json-lines.js';
import { onClosedOutput, printJson, printLine, say } from './output.js';
import { adapterHelp, modelHelp, modelWords, policyChoice } from './policy-flags.js';

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
    ...tokenRules(process.argv),
  };
  const system = textFlag(process.argv, 'system');
  if (system !== undefined && !flags.chat) throw new UsageError('--system needs --chat');
  return {
    n: wholeNumber(flags, 'n', 1, 1),
    seed: wholeNumber(flags, 'seed', 0),
    sampling,
    form: { chat: Boolean(flags.chat), system },
    chat: chatOptions(process.argv),
    addSpecialTokens: addSpecialTokens(process.argv),
    generationConfig: flags.ignoreGenerationConfig !== true,
  };
}

function stopTexts(argv: readonly string[]): string[] {
  const texts = textFlags(argv, 'stop');
  if (texts.includes('')) throw new UsageError('--stop takes a text that is not empty');
  return texts;
}

function toJson({ text, tokens, logprobs, finishReason, contextFull }: Completion): object {
  const ended = { finishReason, ...(contextFull && { contextFull }) };
  return { text, tokens: Array.from(tokens), logprobs: Array.from(logprobs), ...ended };
}

/** Counts the answers that the full context cut short, and says so on stderr. */
class ContextNote {
  private cut = 0;
  private answers = 0;

  add(completions: readonly Completion[]): void {
    this.answers += completions.length;
    this.cut += completions.filter(({ contextFull }) => contextFull).length;
  }

  print(policy: LocalPolicy): void {
    if (this.cut === 0) return;
    const { contextLength } = policy.info();
    say(`note: the context of ${contextLength} tokens was full before ${this.cut} of ${this.answers} answers ended`);
  }
}

/** Says on stderr that nothing can end an answer before its greatest length. */
function noteNoEnd(policy: LocalPolicy, { stop = [] }: Sampling): void {
  if (policy.info().endTokenIds.length > 0 || stop.length > 0) return;
  say(
    'note: the model names no end token (eos_token_id) and there is no --stop: every answer has --max-new-tokens tokens',
  );
}

async function completeFile(policy: LocalPolicy, file: string, settings: GenerateSettings): Promise<void> {
  const requests = new LineRequests(settings);
  const note = new ContextNote();
  for await (const lines of inChunks(readJsonLines(file), linesInFlight)) {
    const asked = lines.map((line) => ({ line, ...requests.next(line) }));
    const answers = asked.map(({ line, request }) => atLine(line, () => policy.generate(request)));
    for (const [at, { completions }] of (await Promise.all(answers)).entries()) {
      note.add(completions);
      await printJson({ ...asked[at]?.labels, completions: completions.map(toJson) });
    }
  }
  note.print(policy);
}

async function completePrompt(
  policy: LocalPolicy,
  text: string,
  settings: GenerateSettings,
  json: boolean,
): Promise<void> {
  const { n, seed, sampling, chat, form, addSpecialTokens, generationConfig } = settings;
  const shared = { n, sampling, seed, chat, addSpecialTokens, generationConfig };
  const request = { ...shared, prompt: textToPrompt(text, form), requestId: requestNumber(seed, 0) };
  const note = new ContextNote();
  if (json || settings.n > 1) {
    const { completions } = await policy.generate(request);
    note.add(completions);
    note.print(policy);
    if (json) return printJson({ completions: completions.map(toJson) });
    for (const { text: answer } of completions) await printLine(outputText(answer));
    return;
  }
  const stream = policy.stream(request);
  for await (const piece of stream) process.stdout.write(outputText(piece.text));
  await printLine('');
  note.add((await stream.result).completions);
  note.print(policy);
}

async function runGenerate(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', modelWords);
  const prompt = textFlag(process.argv, 'prompt');
  const file = textFlag(process.argv, 'input');
  const settings = readSettings(flags);
  const isConversation = settings.form.chat && prompt === undefined && file === undefined;
  if (!isConversation && (prompt === undefined) === (file === undefined))
    throw new UsageError('generate takes either --prompt or --input');
  if (isConversation && !process.stdin.isTTY)
    throw new UsageError('--chat without --prompt or --input needs a terminal');
  const policy = await loadPolicy(model, policyChoice(flags));
  onClosedOutput(() => process.exit());
  noteNoEnd(policy, settings.sampling);
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
    .option('--model <model>', modelHelp)
    .option('--adapter <folder>', adapterHelp)
    .option('--prompt <text>', 'One prompt')
    .option(
      '--input <file>',
      'One JSON object per line: {"prompt"}, {"messages"} or {"tokens"}, with settings of its own; - reads standard input',
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
    .option(
      '--add-special-tokens <boolean>',
      'false: text prompts hold their special tokens themselves (default: true)',
    )
    .option(
      '--generation-kwargs <json>',
      'Rules beside those of generation_config.json, e.g. {"repetition_penalty":1.1}',
    )
    .option('--ignore-generation-config', "Do not apply the penalties and bans of the folder's generation_config.json")
    .option('--seed <number>', 'Seed of every random number (default: 0)')
    .option('--device <device>', 'auto, cpu, cuda or cuda:N')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16')
    .option('--threads <number>', 'CPU threads (default: all)')
    .option('--json', 'Print {"completions"} for --prompt as well')
    .action(runGenerate);
}
