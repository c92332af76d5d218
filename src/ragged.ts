/** Stores lists of different lengths in one flat array: list i is `flat[offsets[i] .. offsets[i + 1]]`. */

type Flat = Int32Array | Uint32Array | Uint8Array | Float32Array;

/** Computes the start of each list in the flat array, and last the array's length: `lists.length + 1` numbers. */
export function offsetsOf(lists: readonly { readonly length: number }[]): Uint32Array {
  const offsets = new Uint32Array(lists.length + 1);
  lists.forEach((list, at) => {
    offsets[at + 1] = (offsets[at] ?? 0) + list.length;
  });
  return offsets;
}

/** Concatenates the lists. */
export function concat<Values extends Flat>(
  ArrayType: new (length: number) => Values,
  lists: readonly ArrayLike<number>[],
): Values {
  const offsets = offsetsOf(lists);
  const flat = new ArrayType(offsets[lists.length] ?? 0);
  lists.forEach((list, at) => {
    flat.set(list, offsets[at]);
  });
  return flat;
}

/** Splits the flat array into views between consecutive offsets. */
export function split<Values extends Int32Array | Float32Array>(flat: Values, offsets: Uint32Array): Values[] {
  return Array.from({ length: offsets.length - 1 }, (_, at) => flat.subarray(offsets[at], offsets[at + 1]) as Values);
}
