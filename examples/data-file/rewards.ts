/** Two reward functions in TRL's form: every argument is a list with one entry per completion, and so is the result. */

interface Batch {
  readonly texts: readonly string[];
  readonly colour: readonly number[];
}

/** Share of the five words that name the row's colour. */
export function colours({ texts, colour }: Batch): number[] {
  return texts.map((text, at) => text.split(' ').filter((word) => word.endsWith(String(colour[at]))).length / 5);
}

/** 1 for five words, else 0; null for an empty completion, which leaves the function out of its reward. */
export function fiveWords({ texts }: Batch): (number | null)[] {
  return texts.map((text) => (text === '' ? null : Number(text.split(' ').length === 5)));
}
