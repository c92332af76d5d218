/**
 * Marks: Unicode's noncharacters, which no text of meaning holds, put into a conversation before it is rendered and
 * found in what the template made of it.
 */
import { ChatTemplateError } from '../errors.js';
import { ExactNumber, formatExact } from '../exact-json.js';
import { isTooDeep } from '../nesting.js';

/** Three characters that the conversation itself does not hold. */
export interface Marks {
  /** Stands inside special tokens that a message spells out. */
  readonly guard: string;
  /** Stands in the rendered text where an assistant turn's ids go. */
  readonly splice: string;
  /** Stands around the number of an assistant turn, behind its text. */
  readonly end: string;
}

const noncharacters = Array.from({ length: 32 }, (_, index) => String.fromCharCode(0xfdd0 + index));

/** Deeper arguments of tools are an accident or an attack: what walks them calls itself. */
const mostDepth = 128;

/** The conversation as JSON with every digit of its numbers. @throws ChatTemplateError where it is too deep. */
export function jsonOf(conversation: unknown): string {
  if (isTooDeep(conversation, mostDepth)) {
    throw new ChatTemplateError(`the messages, tools or variables are nested more than ${mostDepth} deep`);
  }
  try {
    return formatExact(conversation);
  } catch (error) {
    const reason = (error as Error).message;
    throw new ChatTemplateError(
      `the messages, tools or variables are not JSON: ${reason}`,
      { reason },
      { cause: error },
    );
  }
}

/** Three marks that the conversation does not hold itself. */
export function marksFor(conversation: unknown): Marks {
  const text = jsonOf(conversation);
  const [guard, splice, end] = noncharacters.filter((mark) => !text.includes(mark));
  if (guard !== undefined && splice !== undefined && end !== undefined) return { guard, splice, end };
  throw new ChatTemplateError('the messages hold nearly every noncharacter (U+FDD0 to U+FDEF): remove them');
}

/** The value with every text in it, but for the keys of objects, changed. */
export function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change));
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, mapTexts(one, change)]));
}
