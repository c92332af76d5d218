/**
 * Prompts for task families that have only a question's text: history and intent become one text. A family with a
 * format of its own writes its prompts itself.
 */
import { anyRecord, type Kind, listOf, oneOf, required, requireParts, text } from './arguments.js';
import { ConfigError, type ConfigProblem } from './errors.js';
import { type History, type Intent, type Iterate, lastIterate } from './history.js';
import type { Message } from './message.js';
import { nearest } from './nearest.js';

/** Texts with placeholders in braces; each may use those that `placeholders` lists for it. */
export interface PromptTemplates {
  readonly attempt: string;
  readonly improve: string;
  readonly diverge: string;
  /** One earlier turn of a multi-turn task; all of them together fill `{earlier}`. */
  readonly earlierTurn: string;
  /** Fills `{feedback}`, which is empty for an iterate without feedback. */
  readonly feedback: string;
}

/** The placeholders that each template may use. `{question}` is the task's text, `{previous}` the iterate to rewrite. */
const placeholders: { readonly [Name in keyof PromptTemplates]: readonly string[] } = {
  attempt: ['question', 'earlier'],
  improve: ['question', 'earlier', 'previous', 'feedback'],
  diverge: ['question', 'earlier', 'previous', 'feedback'],
  earlierTurn: ['turn', 'answer', 'feedback'],
  feedback: ['feedback'],
};

/** The templates used when a prompt defines none. */
export const defaultTemplates: PromptTemplates = {
  attempt: '{question}{earlier}',
  improve:
    '{question}{earlier}\n\nYour previous answer:\n{previous}{feedback}\n\n' +
    'Find what is wrong or weak in it and write a better answer. Keep what is right.',
  diverge:
    '{question}{earlier}\n\nYour previous answer:\n{previous}{feedback}\n\n' +
    'Write an answer that takes a different approach and is at least as good.',
  earlierTurn: '\n\nYour answer at turn {turn}:\n{answer}{feedback}',
  feedback: '\n\nFeedback on it:\n{feedback}',
};

/** The parts of a prompt. */
export interface PromptContent {
  /** The task's text. */
  readonly question: string;
  /** Turns so far; a rewrite rewrites the last of them. */
  readonly history: History;
  /** Attempt a turn, or improve or diverge from the last iterate. */
  readonly intent: Intent;
}

/** The parts of every prompt. */
const commonParts = {
  history: required({
    words: 'a history, for example `emptyHistory`',
    fits: (value) => anyRecord.fits(value) && Array.isArray((value as History).turns),
  } satisfies Kind),
  intent: required(oneOf('attempt', 'improve', 'diverge')),
};
const contentParts = { question: required(text), ...commonParts };
const messageParts = { messages: required(listOf(anyRecord)), ...commonParts };

/**
 * Renders the prompt of an attempt at the turn after `history`, or of a rewrite of its last turn. It shows last iterates
 * only. Each of `templates` overrides the one of that name in `defaultTemplates`.
 *
 * @throws ConfigError for an unknown template or placeholder, InvalidRequestError for a missing part.
 * @example
 * import { promptFromTemplates } from 'exit-rl';
 *
 * const iterate = { text: '41', tokens: [], quality: 0, feedback: 'too small' };
 * const history = { turns: [{ iterates: [iterate] }] };
 * console.log(promptFromTemplates({ question: 'What is 6 times 7?', history, intent: 'improve' }));
 */
export function promptFromTemplates(content: PromptContent, templates: Partial<PromptTemplates> = {}): string {
  requireParts('promptFromTemplates', content, contentParts);
  const { question, history, intent } = content;
  const texts = { ...defaultTemplates, ...templates };
  requireKnownTemplates(templates);
  requireKnownPlaceholders(texts);
  const earlierTurns = intent === 'attempt' ? history.turns.length : history.turns.length - 1;
  const earlier = Array.from({ length: earlierTurns }, (_, turn) => earlierTurn(texts, history, turn)).join('');
  const previous = lastIterate(history)?.text ?? '';
  return fill(texts[intent], { question, earlier, previous, feedback: feedbackText(texts, history) });
}

/** The request of a rewrite when the previous answer precedes it as a message. */
const messageTemplates: Pick<PromptTemplates, 'improve' | 'diverge' | 'feedback'> = {
  improve: '{feedback}Find what is wrong or weak in your answer and write a better one. Keep what is right.',
  diverge: '{feedback}Write another answer that takes a different approach and is at least as good.',
  feedback: 'Feedback on your answer:\n{feedback}\n\n',
};

/** The parts of a chat prompt. */
export interface MessagePrompt extends Omit<PromptContent, 'question'> {
  /** The conversation that an attempt answers. */
  readonly messages: readonly Message[];
}

/**
 * Builds the chat prompt of a single-turn task. An attempt answers `messages`. A rewrite appends the last answer as the
 * assistant's turn, with its generated token ids, and the request to rewrite it. An answer that continues the last message
 * is joined with it as text.
 *
 * @throws ConfigError for an unknown template or placeholder, InvalidRequestError for a missing part.
 * @example
 * import { type Message, promptFromMessages } from 'exit-rl';
 *
 * const messages: Message[] = [{ role: 'user', content: 'What is 6 times 7?' }];
 * const iterate = { text: '41', tokens: [], quality: 0, feedback: 'too small' };
 * const history = { turns: [{ iterates: [iterate] }] };
 * const prompt = promptFromMessages({ messages, history, intent: 'improve' });
 * console.log(prompt.map(({ role }) => role)); // user, assistant, user
 */
export function promptFromMessages(
  prompt: MessagePrompt,
  templates: Partial<PromptTemplates> = {},
): readonly Message[] {
  requireParts('promptFromMessages', prompt, messageParts);
  const { messages, history, intent } = prompt;
  const previous = lastIterate(history);
  if (intent === 'attempt' || previous === undefined) return messages;
  const request = promptFromTemplates({ question: '', history, intent }, { ...messageTemplates, ...templates }).trim();
  return [...withAnswer(messages, previous), { role: 'user', content: request }];
}

/** The conversation with the answer: a turn of its own, or the rest of the assistant's turn that it continues. */
function withAnswer(messages: readonly Message[], { text, tokens }: Iterate): readonly Message[] {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') return [...messages, { role: 'assistant', content: text, tokens }];
  return [...messages.slice(0, -1), { ...last, content: `${last.content ?? ''}${text}` }];
}

function earlierTurn(texts: PromptTemplates, history: History, turn: number): string {
  const answer = lastIterate(history, turn)?.text ?? '';
  return fill(texts.earlierTurn, { turn: String(turn + 1), answer, feedback: feedbackText(texts, history, turn) });
}

function feedbackText(texts: PromptTemplates, history: History, turn?: number): string {
  const feedback = lastIterate(history, turn)?.feedback;
  return feedback === undefined ? '' : fill(texts.feedback, { feedback });
}

const placeholder = /\{([A-Za-z]+)\}/g;

/** One pass: braces in what a model wrote are text, never placeholders. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(placeholder, (whole, name: string) => values[name] ?? whole);
}

function requireKnownTemplates(templates: Partial<PromptTemplates>): void {
  const names = Object.keys(placeholders);
  const unknown = Object.keys(templates).filter((name) => !names.includes(name));
  const problems = unknown.map((name): ConfigProblem => {
    const hint = `did you mean \`${nearest(name, names) ?? names.join('`, `')}\`?`;
    return { key: `templates.${name}`, message: 'unknown template', hint };
  });
  if (problems.length > 0) throw new ConfigError(problems);
}

function requireKnownPlaceholders(texts: PromptTemplates): void {
  const problems = (Object.keys(placeholders) as (keyof PromptTemplates)[]).flatMap((key): ConfigProblem[] => {
    const known = placeholders[key];
    const unknown = [...texts[key].matchAll(placeholder)].filter(([, name]) => !known.includes(name as string));
    const hint = `it may use ${known.map((name) => `{${name}}`).join(', ')}`;
    return unknown.map(([whole]) => ({ key: `templates.${key}`, message: `unknown placeholder ${whole}`, hint }));
  });
  if (problems.length > 0) throw new ConfigError(problems);
}
