/** Chooses the template of a conversation and collects the variables that it sees. */
import { anyRecord, type Fields, flag, listOf, text } from '../arguments.js';
import { ChatTemplateError } from '../errors.js';
import type { Message } from '../message.js';
import { describeProblem, readMessages } from '../read-messages.js';
import type { RenderRequest } from './renderer.js';
import type { ChatFiles } from './template-files.js';

/** How a chat template renders messages; every key has a default. */
export interface ChatOptions {
  /** One of the folder's named templates; by default `tool_use` with tools, where there is one, else `default`. */
  readonly template?: string;
  /** Functions the model may call, as OpenAI's JSON schema has them. */
  readonly tools?: readonly object[];
  /** Ends the text where the assistant's answer begins; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Leaves the last message open, for the model to continue; default false. */
  readonly continueFinalMessage?: boolean;
  /** The day that templates are told, as YYYY-MM-DD; default 2024-07-26, so that a prompt is the same tomorrow. */
  readonly date?: string;
  /** Further variables of the template, for example `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** The kinds of the options, to check what a caller passes. */
export const chatFields: Fields<ChatOptions> = {
  template: text,
  tools: listOf(anyRecord),
  addGenerationPrompt: flag,
  continueFinalMessage: flag,
  date: text,
  variables: anyRecord,
};

/** The day that Llama's templates fall back to. */
const defaultDate = '2024-07-26';

/** The names of an assistant's thinking; a template that reads one of them gets what a message has under another. */
const thinkingNames = ['reasoning_content', 'thinking', 'reasoning'];

/**
 * A message as transformers 5 shows it to templates: keys that are null are absent, and thinking stands under
 * `reasoning_content` and `thinking`, whatever its name. The ids of a turn bring its thinking and its calls as they were made.
 */
export function templateMessage({ tokens, ...message }: Message): Readonly<Record<string, unknown>> {
  const inIds: readonly string[] = tokens ? ['tool_calls', ...thinkingNames] : [];
  const entries = Object.entries(message).filter(([key, value]) => (value ?? null) !== null && !inIds.includes(key));
  const shown: Readonly<Record<string, unknown>> = Object.fromEntries(entries);
  const name = thinkingNames.find((one) => Object.hasOwn(shown, one));
  if (name === undefined) return shown;
  // A key that is there twice keeps its first place and takes its last value, as in Python.
  return Object.fromEntries([['thinking', shown[name]], ...entries, ['reasoning_content', shown[name]]]);
}

/** The messages as the reader of every source reads them. @throws ChatTemplateError that names the message. */
export function requireMessages(messages: readonly Message[]): readonly Message[] {
  const read = readMessages(messages);
  const [problem] = read.problems;
  if (problem === undefined) return read.messages;
  const { at, key, role } = problem;
  const fields = { message: at, key, ...(role !== undefined && { role }) };
  throw new ChatTemplateError(read.problems.map(describeProblem).join('\n'), fields);
}

/** As transformers chooses: by name, else `tool_use` where there are tools and such a template, else `default`. */
export function chooseTemplate(
  { templates, source }: ChatFiles,
  { template: named, tools }: Pick<ChatOptions, 'template' | 'tools'>,
): string {
  const own = (name: string): string | undefined => (Object.hasOwn(templates, name) ? templates[name] : undefined);
  const template = named === undefined ? ((tools && own('tool_use')) ?? own('default')) : own(named);
  if (template !== undefined) return template;
  const names = Object.keys(templates);
  const found =
    names.length > 0 ? `has no template \`${named ?? 'default'}\`, only ${names.join(', ')}` : 'has no chat template';
  const fix =
    named === undefined ? 'give the prompt as text, or add chat_template.jinja to the folder' : 'name another';
  throw new ChatTemplateError(`\`${source}\` ${found}; ${fix}`, { file: source });
}

/** `26 Jul 2024`, as Llama's templates print it. */
export function dateString(date: string): string {
  const [year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date)?.slice(1) ?? [];
  const name = 'JanFebMarAprMayJunJulAugSepOctNovDec'.slice(Number(month) * 3 - 3, Number(month) * 3);
  if (name !== '' && Number(day) >= 1 && Number(day) <= 31) return `${day} ${name} ${year}`;
  throw new ChatTemplateError(`the date \`${date}\` is not of the form YYYY-MM-DD`, { date });
}

/** The template and every variable that it is given. @throws ChatTemplateError. */
export function renderRequest(
  files: ChatFiles,
  messages: readonly Record<string, unknown>[],
  options: ChatOptions,
): RenderRequest {
  const {
    tools,
    addGenerationPrompt = true,
    continueFinalMessage = false,
    date = defaultDate,
    variables = {},
  } = options;
  return {
    template: chooseTemplate(files, options),
    source: files.source,
    date,
    variables: {
      ...files.specialTokens,
      date_string: dateString(date),
      ...variables,
      messages,
      tools: tools ?? null,
      documents: null,
      add_generation_prompt: addGenerationPrompt && !continueFinalMessage,
    },
  };
}
