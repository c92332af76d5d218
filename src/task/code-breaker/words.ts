/** The 133 words of code breaker: slot letter, colour digit, optional mark (`a1`, `a1=`, `a1~`, `a1x`), and a few others. */

/** N: slots of a row. */
export const slotCount = 5;
/** Q: colours of a slot. */
export const colourCount = 6;

/** One colour per slot, each in [0, Q). */
export type Row = readonly number[];

/** Hit: equals the code at this slot. Present: the colour occurs at another slot. Absent: it does not occur in the code. */
export type Mark = 'hit' | 'present' | 'absent';

export const specialWords = ['<pad>', '<bos>', '<eos>'] as const;
const otherWords = ['solve', 'improve', 'diverge', 'previous', 'answer'] as const;
const signs: Record<Mark, string> = { hit: '=', present: '~', absent: 'x' };

const slots = Array.from({ length: slotCount }, (_, slot) => slot);
const colours = Array.from({ length: colourCount }, (_, colour) => colour);

const letter = (slot: number): string => String.fromCharCode('a'.charCodeAt(0) + slot);

/** `a1`: a colour at a slot, as in an answer. */
const plainWord = (slot: number, colour: number): string => `${letter(slot)}${colour + 1}`;

/** `a1~`: a colour at a slot with its mark. */
export const markedWord = (slot: number, colour: number, mark: Mark): string =>
  `${plainWord(slot, colour)}${signs[mark]}`;

/** `a?`: a slot without a colour. */
export const emptyWord = (slot: number): string => `${letter(slot)}?`;

/** The row shown where there is no previous answer: `a? b? c? d? e?`. */
export const emptyRow: string = slots.map(emptyWord).join(' ');

/** Writes the row as an answer: `a2 b2 c4 d5 e1`. */
export const answerText = (row: Row): string => row.map((colour, slot) => plainWord(slot, colour)).join(' ');

/** Lists the words of all slots and colours, slot by slot; `word` writes one of them. */
const everySlotAndColour = (word: (slot: number, colour: number) => string): string[] =>
  slots.flatMap((slot) => colours.map((colour) => word(slot, colour)));

/** The four kinds of colour word in vocabulary order: without a mark, then hit, present, absent. */
export const colourWords: readonly (readonly string[])[] = [
  everySlotAndColour(plainWord),
  ...(['hit', 'present', 'absent'] as const).map((mark) =>
    everySlotAndColour((slot, colour) => markedWord(slot, colour, mark)),
  ),
];

/** Every word in the order of its token id. */
export const vocabulary: readonly string[] = [
  ...specialWords,
  ...otherWords,
  ...slots.map(emptyWord),
  ...colourWords.flat(),
];

/** Parses an answer: exactly one unmarked word per slot, in order; anything else returns undefined. */
export function parseAnswer(text: string): Row | undefined {
  const words = text.trim().split(/\s+/);
  if (words.length !== slotCount) return undefined;
  const row = words.map((word, slot) => colours.find((colour) => plainWord(slot, colour) === word));
  return row.every((colour) => colour !== undefined) ? row : undefined;
}
