/** Turns lines into requests: what a line sets overrides the flags, and its id, or else its place, names its random stream. */

import type { Kind } from '../../arguments.js';
import type { ChatOptions } from '../../chat/template.js';
import { wordIssue } from '../../config/wording.js';
import { UsageError } from '../../errors.js';
import { plainNumbers } from '../../exact-json.js';
import { samplingFields } from '../../policy/generation.js';
import type { GenerateRequest, Sampling, TokenRules } from '../../policy/policy.js';
import { countOrZero, count as positiveCount, sampling as samplingSchema } from '../../policy/settings.js';
import { createRng } from '../../rng.js';
import { describeValue } from '../../shown.js';
import type { JsonLine } from '../json-lines.js';
import { LabelReader, type LineLabels, requireKnownKeys } from '../line-keys.js';
import { ruleKeys } from './generation-flags.js';
import { lineChat, lineToPrompt, type PromptForm, promptKeys } from './read-prompts.js';

/** The settings of all lines, from the flags. */
export interface GenerateSettings {
  readonly n: number;
  readonly seed: number;
  readonly sampling: Sampling;
  readonly form: PromptForm;
  readonly chat: ChatOptions;
  /** False for prompts that hold their special tokens themselves. */
  readonly addSpecialTokens: boolean;
  /** False leaves the folder's generation_config.json unread. */
  readonly generationConfig: boolean;
}

type SamplingKey = keyof typeof samplingSchema.shape;

/** Our keys of sampling with the names of vLLM, OpenAI's API and transformers. */
const samplingNames: Readonly<Record<SamplingKey, readonly string[]>> = {
  temperature: ['temperature'],
  maxNewTokens: ['maxNewTokens', 'max_new_tokens', 'max_tokens', 'max_completion_tokens', 'maxTokens'],
  topK: ['topK', 'top_k'],
  topP: ['topP', 'top_p'],
  minP: ['minP', 'min_p'],
  stopTokenIds: ['stopTokenIds', 'stop_token_ids'],
  stop: ['stop', 'stop_strings'],
  includeStopText: ['includeStopText', 'include_stop_str_in_output'],
};
const countNames = ['n', 'num_return_sequences'];

/** Rules of generation_config.json, by its names and ours. */
const ruleNames = Object.entries(ruleKeys);

const knownKeys = [
  ...[...promptKeys, ...countNames, 'seed'],
  ...[...Object.values(samplingNames), ...ruleNames].flat(),
];

/** Reads the value of the one name that the line has. @throws UsageError where it has two. */
function readNamed({ value, place }: JsonLine, names: readonly string[]): { name: string; given: unknown } | undefined {
  const [name, other] = names.filter((one) => Object.hasOwn(value, one));
  if (other !== undefined)
    throw new UsageError(`${place}: \`${name}\` and \`${other}\` are the same: give one`, { place });
  return name === undefined ? undefined : { name, given: plainNumbers(value[name]) };
}

interface Schema {
  safeParse(value: unknown): ReturnType<typeof positiveCount.safeParse>;
}

/** Reads a setting by its schema; undefined where the line has none, or null. */
function readSetting(line: JsonLine, names: readonly string[], schema: Schema): unknown {
  const found = readNamed(line, names);
  if (found === undefined || found.given === null) return undefined;
  // vLLM writes -1 where every token is kept.
  const given = names.includes('top_k') && found.given === -1 ? 0 : found.given;
  const { error, data } = schema.safeParse(given);
  const [issue] = error?.issues ?? [];
  if (issue === undefined) return data;
  const key = [found.name, ...issue.path].join('.');
  throw new UsageError(`${line.place}: \`${key}\` ${wordIssue(issue, given)}`, { place: line.place, key });
}

/** Reads the rules that a line sets for its own completions. */
function readRules(line: JsonLine): TokenRules {
  const own = ruleNames.map(([theirs, ours]) => [ours, readRule(line, [theirs, ours], samplingFields[ours])]);
  return Object.fromEntries(own.filter(([, value]) => value !== undefined));
}

function readRule(line: JsonLine, names: readonly string[], { words, fits }: Kind): unknown {
  const { name, given } = readNamed(line, names) ?? {};
  if (given === undefined || given === null || fits(given)) return given ?? undefined;
  const { place } = line;
  throw new UsageError(`${place}: \`${name}\` must be ${words}, not ${describeValue(given)}`, { place, key: name });
}

/** transformers keeps the stop text in the completion, vLLM and OpenAI do not. */
const keepsStopText = ({ value }: JsonLine): boolean => Object.hasOwn(value, 'stop_strings');

function readSampling(line: JsonLine, sampling: Sampling): Sampling {
  const keys = Object.keys(samplingNames) as SamplingKey[];
  const own = keys.map((key) => [
    key,
    readSetting(line, samplingNames[key], samplingSchema.shape[key] as unknown as Schema),
  ]);
  const given = Object.fromEntries(own.filter(([, setting]) => setting !== undefined)) as Partial<Sampling>;
  const kept = keepsStopText(line) && { includeStopText: true };
  return { ...sampling, ...kept, ...given, ...readRules(line) };
}

/** A line as a request, and what its output line repeats. */
export interface LineRequest {
  readonly request: GenerateRequest;
  readonly labels: LineLabels;
}

/** The number of a request: by the line's id, so that a shuffled or cut file gives the same completions, else by its place. */
export function requestNumber(seed: number, place: number, id?: string | number): number {
  const rng = createRng(seed);
  return (id === undefined ? rng.fork('line', place) : rng.fork('line id', id)).id();
}

export class LineRequests {
  private readonly labels = new LabelReader();
  private place = 0;

  constructor(private readonly settings: GenerateSettings) {}

  /** @throws UsageError that names the line and the key. */
  next(line: JsonLine): LineRequest {
    requireKnownKeys(line, knownKeys);
    const { form, chat, addSpecialTokens, generationConfig } = this.settings;
    const labels = this.labels.read(line);
    const prompt = lineToPrompt(line, form);
    const n = (readSetting(line, countNames, positiveCount) ?? this.settings.n) as number;
    const seed = (readSetting(line, ['seed'], countOrZero) ?? this.settings.seed) as number;
    const sampling = readSampling(line, this.settings.sampling);
    const requestId = requestNumber(seed, this.place++, labels.id);
    const shared = { n, sampling, seed, chat: lineChat(line, chat), addSpecialTokens, generationConfig };
    return { request: { ...shared, prompt, requestId }, labels };
  }
}
