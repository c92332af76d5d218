/** Alternating measurements and their summary. */

export interface Summary {
  readonly median: number;
  readonly quartiles: readonly [number, number];
  readonly range: readonly [number, number];
  readonly values: readonly number[];
}

export interface Sides {
  readonly ours: Summary;
  readonly peer: Summary;
}

type Measurement = () => Promise<number>;

/**
 * Runs ours and the peer's in turn (A-B-A-B-…-A) after one unmeasured run of each, so that a change of the machine's load
 * affects both. Both return a number of which larger is better.
 */
export async function alternate(ours: Measurement, peer: Measurement, repeats: number): Promise<Sides> {
  await ours();
  await peer();
  const values: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let repeat = 0; repeat < repeats; repeat++) {
    values.ours.push(await ours());
    values.peer.push(await peer());
  }
  values.ours.push(await ours());
  return { ours: summarise(values.ours), peer: summarise(values.peer) };
}

/** Computes median, quartiles and range, with interpolated quantiles; NaN for an empty list. */
export function summarise(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const [low = Number.NaN, high = Number.NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return low + (high - low) * (place - Math.floor(place));
  };
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)], range: [at(0), at(1)], values };
}

export interface Measured extends Sides {
  readonly measurement: string;
  readonly unit: string;
  /** Our median over the peer's. */
  readonly ratio: number;
}

/** A measured row of a table. */
export interface TableRow extends Measured {
  readonly label: string;
  /** Share of all cores that other processes used during the measurement. */
  readonly busyElsewhere?: number;
}

/** One row of the result: the measure, both sides, and the ratio of the medians. */
export function row<Details extends object>(
  measurement: string,
  unit: string,
  details: Details,
  { ours, peer }: Sides,
): Details & Measured {
  return { measurement, ...details, unit, ours, peer, ratio: ours.median / peer.median };
}

export const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
