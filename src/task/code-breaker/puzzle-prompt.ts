/** Builds the prompt of code breaker as text: 19 words, which the model folder's tokenizer encodes like any prompt. */
import type { Intent } from '../../history.js';
import { markedText } from './marks.js';
import type { CodeBreakerData } from './puzzle.js';
import { emptyRow } from './words.js';

const intentWords: Record<Intent, string> = { attempt: 'solve', improve: 'improve', diverge: 'diverge' };

/**
 * `<bos> INTENT  opening*5  opening*5  previous  previous-answer*5  answer`, rows shown with their marks.
 * `previous` is the marked row of the latest iterate; the empty row where there is none.
 */
export function promptText(data: CodeBreakerData, intent: Intent, previous: string = emptyRow): string {
  const openings = data.openings.map((row) => markedText(data.code, row));
  return ['<bos>', intentWords[intent], ...openings, 'previous', previous, 'answer'].join(' ');
}
