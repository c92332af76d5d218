/** Two reward functions as TRL has them: lists in, a list out, one entry per completion; every column is a list as well. */

interface Batch {
  readonly texts: readonly string[];
  readonly colour: readonly number[];
}

/** Share of the five words that name the row's colour. */
export function colours({ texts, colour }: Batch): number[] {
  return texts.map((text, at) => text.split(' ').filter((word) => word.endsWith(String(colour[at]))).length / 5);
}

/** 1 for five words, else 0; null leaves the function out where nothing was written. */
export function fiveWords({ texts }: Batch): (number | null)[] {
  return texts.map((text) => (text === '' ? null : Number(text.split(' ').length === 5)));
}
