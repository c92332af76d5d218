/**
 * Random number streams, which functions take as an argument. A stream's identity is the run's seed and the names of its
 * forks, so `rng.fork('rollout', 12, 3)` is the same stream whatever was drawn before, and one rollout can be replayed.
 */

export interface Rng {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** Uniform integer in [0, n); n must be a positive integer. */
  int(n: number): number;
  /** Derives the stream of this name: a pure function of identity and names, not of how much was drawn. */
  fork(name: string, ...ids: readonly (string | number)[]): Rng;
  /** Draws 53 bits as an integer, for `GenerateRequest.requestId`. */
  id(): number;
  /** The seed of the run, which forks inherit. */
  readonly seed: number;
}

/** Draws one standard normal number by the Box–Muller transform. */
export function standardNormal(rng: Rng): number {
  // 1 − u lies in (0, 1], so the logarithm is finite.
  const radius = Math.sqrt(-2 * Math.log(1 - rng.next()));
  return radius * Math.cos(2 * Math.PI * rng.next());
}

/** Three 32-bit lanes. Each is a hash of everything absorbed so far, with its own constants. */
type Identity = readonly [number, number, number];

const rootIdentity: Identity = [0x9e3779b9, 0x243f6a88, 0xb7e15162];
// Odd, so that multiplication by them is invertible.
const laneMultipliers: Identity = [0xcc9e2d51, 0x85ebca6b, 0xc2b2ae35];

/**
 * Creates a stream of random numbers: sfc32 (PractRand), seeded by a hash of `seed` and of the names of its forks.
 *
 * @param seed any number; equal seeds give equal streams.
 * @throws RangeError when it is not a number.
 *
 * @example
 * import { createRng } from 'exit-rl/method';
 *
 * const rng = createRng(7);
 * const rollout = rng.fork('rollout', 12, 3); // does not depend on how much `rng` has drawn
 * console.log(rollout.next(), rollout.int(6)); // uniform in [0, 1), and in 0 … 5
 */
export function createRng(seed: number): Rng {
  if (typeof seed !== 'number') throw new RangeError(`createRng: \`seed\` must be a number, not ${String(seed)}`);
  return createStream(absorb(rootIdentity, seed), seed);
}

function createStream(identity: Identity, seed: number): Rng {
  const draw = smallFastCounter(identity);
  const id = (): number => (draw() >>> 5) * 2 ** 26 + (draw() >>> 6);
  return {
    seed,
    id,
    next: () => id() / 2 ** 53,
    int: (n) => {
      if (!Number.isSafeInteger(n) || n < 1) throw new RangeError(`rng.int: ${n} is not a positive integer`);
      return Math.floor((id() / 2 ** 53) * n);
    },
    fork: (name, ...ids) => createStream([name, ...ids].reduce(absorb, identity), seed),
  };
}

/** Absorbs lengths and types too: ('ab', 'c') and ('a', 'bc'), 1 and '1' name different streams. */
function absorb(identity: Identity, part: string | number): Identity {
  if (typeof part === 'number') return [1, ...doubleWords(part)].reduce(absorbWord, identity);
  let lanes = absorbWord(absorbWord(identity, 2), part.length);
  for (let i = 0; i < part.length; i++) lanes = absorbWord(lanes, part.charCodeAt(i));
  return lanes;
}

function doubleWords(value: number): Uint32Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, value);
  return Uint32Array.of(bytes.getUint32(0), bytes.getUint32(4));
}

function absorbWord([a, b, c]: Identity, word: number): Identity {
  return [mix(a, word, laneMultipliers[0]), mix(b, word, laneMultipliers[1]), mix(c, word, laneMultipliers[2])];
}

/** Applies MurmurHash3's finaliser to lane and word: invertible in each, so different words never merge two lanes. */
function mix(lane: number, word: number, multiplier: number): number {
  let hash = Math.imul(lane ^ word, multiplier) + 0x6d2b79f5;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** sfc32 (Chris Doty-Humphrey, PractRand): 96 bits of state and a counter, hence no cycle under 2^32 draws. */
function smallFastCounter(identity: Identity): () => number {
  let [a, b, c] = identity;
  let counter = 1;
  const draw = (): number => {
    const output = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + output) | 0;
    return output >>> 0;
  };
  // The warm-up of PractRand: after it every bit of the state depends on every bit of the identity.
  for (let i = 0; i < 12; i++) draw();
  return draw;
}

/** Fisher and Yates: shuffles `values` in place; one draw of `rng` for each value but the last. */
export function shuffle<Value>(values: Value[], rng: Rng): Value[] {
  for (let last = values.length - 1; last > 0; last--) {
    const other = rng.int(last + 1);
    [values[last], values[other]] = [values[other] as Value, values[last] as Value];
  }
  return values;
}
