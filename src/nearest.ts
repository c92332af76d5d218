/** Finds the known word nearest to a misspelt one. */

/** Computes the optimal string alignment distance: insertion, deletion, substitution, swap of neighbours cost 1 each. */
export function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      const best = Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      current.push(swapped ? Math.min(best, (beforePrevious[column - 2] ?? best) + 1) : best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? left.length;
}

/** Letters from which a word may abbreviate a longer one. */
const shortestPrefix = 3;

/** Finds the shortest of `known` that `word` abbreviates. */
function findAbbreviated(word: string, known: readonly string[]): string | undefined {
  if (word.length < shortestPrefix) return undefined;
  const begun = known.filter((candidate) => candidate.toLowerCase().startsWith(word.toLowerCase()));
  return begun.sort((left, right) => left.length - right.length)[0];
}

/**
 * Returns the word of `known` that `word` abbreviates, or else the nearest; undefined when none lies within a third of the
 * word's length (at least two edits).
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const candidates = [...known];
  const abbreviated = findAbbreviated(word, candidates);
  if (abbreviated !== undefined) return abbreviated;
  // An edit of every letter would leave nothing of the word.
  const limit = Math.min(word.length - 1, Math.max(2, Math.floor(word.length / 3)));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    // The distance is at least the difference of the lengths, so a key of a megabyte costs nothing.
    if (Math.abs(word.length - candidate.length) >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
