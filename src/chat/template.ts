/** Renders a conversation with the chat template of a model folder. */
import { Template } from '@huggingface/jinja';
import { ChatTemplateError } from '../errors.js';
import type { Message } from '../message.js';
import type { ChatFiles } from './files.js';

export interface ChatOptions {
  /** Functions the model may call, as OpenAI's JSON schema has them. */
  readonly tools?: readonly object[];
  /** Ends the text where the assistant's answer begins; true unless told otherwise. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, for example `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** A message as templates know it. */
function templateMessage({ role, content, toolCalls, name }: Message): Record<string, unknown> {
  const calls = toolCalls?.map((call) => ({ type: 'function', function: call }));
  return { role, content, ...(calls && { tool_calls: calls }), ...(name !== undefined && { name }) };
}

/** @throws ChatTemplateError when the folder has no template, or it refuses the conversation. */
export function renderChat(files: ChatFiles, messages: readonly Message[], options: ChatOptions = {}): string {
  const { tools, addGenerationPrompt = true, variables = {} } = options;
  const template = (tools && files.templates.tool_use) ?? files.templates.default;
  if (template === undefined) {
    const message = `\`${files.source}\` has no chat template; give the prompt as text, or add chat_template.jinja`;
    throw new ChatTemplateError(message, { file: files.source });
  }
  try {
    return new Template(template).render({
      ...files.specialTokens,
      ...variables,
      messages: messages.map(templateMessage),
      tools: tools ?? null,
      add_generation_prompt: addGenerationPrompt,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ChatTemplateError(`\`${files.source}\`: ${reason}`, { file: files.source, reason }, { cause: error });
  }
}
