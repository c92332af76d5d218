/** Keeps special tokens that a message spells out as text: only the template begins a turn. */
import { crossingNow, type NativeAddedToken, type NativeTokenizer } from '../native.js';

/** Keeps the control tokens of one template from being found in messages. */
export type Guard = (text: string, mark: string) => string;

/** `<think>`, `</tool_call>`: what a model writes within a turn, and templates look for in it. */
const tag = /^<\/?[A-Za-z][\w-]*>$/;

/**
 * The tokens that only a template may write: special tokens, and added tokens that stand in the template, as DeepSeek's
 * `<｜User｜>`. Tags that are not special tokens are left to the text, in which models write them and templates look
 * for them; white space is text anyway.
 */
export function controlTokens(tokens: readonly NativeAddedToken[], template: string): NativeAddedToken[] {
  return tokens.filter(({ content, special }) => {
    if (content.trim() === '') return false;
    return special || (template.includes(content) && !tag.test(content));
  });
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A guard for one template. The tokenizer finds the places; texts without a trace of a control token never reach it. */
export function createGuard(tokenizer: NativeTokenizer, template: string): Guard {
  const control = controlTokens(tokenizer.addedTokens(), template);
  if (control.length === 0) return (text) => text;
  const ids = Uint32Array.from(control, ({ id }) => id);
  const trace = new RegExp(control.map(({ content }) => escaped(content)).join('|'), 'u');
  const anySpelling = control.some(({ normalized }) => normalized);
  return (text, mark) => {
    if (text === '' || !(anySpelling || trace.test(text))) return text;
    return crossingNow(() => tokenizer.guard([text], ids, mark))[0] as string;
  };
}
