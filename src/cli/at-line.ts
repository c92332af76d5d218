/** Names the line in what its prompt and its settings are refused for. */
import {
  ChatTemplateError,
  InvalidRequestError,
  NonFiniteError,
  PromptTooLongError,
  TokenizerError,
} from '../errors.js';
import type { JsonLine } from './json-lines.js';

const refusals = [InvalidRequestError, PromptTooLongError, ChatTemplateError, TokenizerError, NonFiniteError];

/** Runs the work of a line; an error that concerns this line alone begins with its file and number. */
export async function atLine<Result>({ place }: JsonLine, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && refusals.some((kind) => kind.isInstance(error)))
      error.message = `${place}: ${error.message}`;
    throw error;
  }
}
