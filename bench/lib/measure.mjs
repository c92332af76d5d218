/** Alternating measurements and their summary. */

/**
 * Runs ours and the peer's in turn (A-B-A-B-…-A), after one unmeasured run of each: a change in the machine's load falls
 * on both. Both return a number (or a list of numbers) of which larger is better.
 */
export async function alternate(ours, peer, repeats) {
  await ours();
  await peer();
  const values = { ours: [], peer: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    values.ours.push(await ours());
    values.peer.push(await peer());
  }
  values.ours.push(await ours());
  return { ours: summarise(values.ours.flat()), peer: summarise(values.peer.flat()) };
}

export function summarise(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return low + (high - low) * (place - Math.floor(place));
  };
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)], range: [sorted[0], sorted.at(-1)], values };
}

/** One row of the result: what was measured, both sides, and the ratio of the medians. */
export function row(measurement, unit, details, { ours, peer }) {
  return { measurement, ...details, unit, ours, peer, ratio: ours.median / peer.median };
}

export const secondsOf = async (work) => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
