/** Priorities of the buffer: scores become the logarithms of weights, by which entries are drawn. */

/**
 * `absolute`: softmax(κ·S), as printed in the paper. `rank`: softmax(κ·R) with R in (0, 1) the rank of S in the buffer, which
 * neither the scale of quality nor one high score changes; ties share the mean of their weights.
 */
export interface PrioritySettings {
  readonly kind: 'rank' | 'absolute';
  /** κ ≥ 0: 0 draws uniformly, large values nearly always the highest score. */
  readonly inverseTemperature: number;
}

/** Scores that differ by no more than this are ties: they differ by rounding. */
const tie = 1e-9;

/** Computes one log-weight for each score, in the order of the scores. */
export function logWeights(
  scores: readonly number[],
  { kind, inverseTemperature }: PrioritySettings,
): Float64Array<ArrayBuffer> {
  switch (kind) {
    case 'absolute':
      return Float64Array.from(scores, (score) => inverseTemperature * score);
    case 'rank':
      return rankWeights(scores, inverseTemperature);
    default:
      return kind satisfies never;
  }
}

function rankWeights(scores: readonly number[], inverseTemperature: number): Float64Array<ArrayBuffer> {
  const at = (place: number): number => scores[order[place] as number] as number;
  const order = scores.map((_, slot) => slot).sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  const weights = new Float64Array(scores.length);
  for (let first = 0, end = 1; first < order.length; first = end, end++) {
    while (end < order.length && at(end) - at(first) <= tie) end++;
    const logWeight = logMeanWeight(first, end, scores.length, inverseTemperature);
    for (const slot of order.slice(first, end)) weights[slot] = logWeight;
  }
  return weights;
}

/** The logarithm of the mean of exp(κ·R) over the places from `first` up to `end`, where R = (place + ½) / size. */
function logMeanWeight(first: number, end: number, size: number, inverseTemperature: number): number {
  let sum = 0;
  for (let place = first; place < end; place++) sum += Math.exp((inverseTemperature * (place - end + 1)) / size);
  return (inverseTemperature * (end - 0.5)) / size + Math.log(sum / (end - first));
}
