/**
 * The states that a crash may leave of a sequence of operations. The model is harsher than real file systems: until a file
 * is flushed, each of its writes is on the disk completely, not at all, by half, or as zeros; until a folder is flushed,
 * each of its entries is there or not; pending changes persist in any combination.
 */
import { createRng, type Rng } from '../../../../src/rng.js';
import { type Node, type Operation, Tree } from './tree.js';

const fates = ['kept', 'dropped', 'half', 'zeros', 'half-zeros'] as const;
type Fate = (typeof fates)[number];

/** Tears a write as a crash may: keeps its first half, its length without its bytes, or the first half and zeros. */
function tear(operation: Operation, fate: Fate): Operation | undefined {
  if (fate === 'kept') return operation;
  if (fate === 'dropped' || operation.kind !== 'write') return undefined;
  const { bytes } = operation;
  const half = Math.floor(bytes.length / 2);
  if (fate === 'half') return { ...operation, bytes: bytes.subarray(0, half) };
  const kept = fate === 'zeros' ? 0 : half;
  return { ...operation, bytes: Buffer.concat([bytes.subarray(0, kept)], bytes.length) };
}

const nodeOf = (operation: Operation): Node => ('folder' in operation ? operation.folder : operation.node);

/** Lists the positions among the first `length` operations that no flush has made durable. */
function pendingOf(operations: readonly Operation[], length: number): number[] {
  let pending: number[] = [];
  for (let at = 0; at < length; at++) {
    const operation = operations[at] as Operation;
    if (operation.kind !== 'sync') pending.push(at);
    else pending = pending.filter((earlier) => nodeOf(operations[earlier] as Operation) !== operation.node);
  }
  return pending;
}

const fatesOf = (operation: Operation): readonly Fate[] => (operation.kind === 'write' ? fates : ['kept', 'dropped']);

type Fates = ReadonlyMap<number, Fate>;

const allBut = (pending: readonly number[], at: number, fate: Fate, others: Fate): Fates =>
  new Map(pending.map((place) => [place, place === at ? fate : others]));

/** Lists fates: all kept; all dropped; each alone dropped, kept or torn with the others kept or dropped; `draws` random. */
function* combinations(
  operations: readonly Operation[],
  pending: readonly number[],
  draws: number,
  rng: Rng,
): Generator<Fates> {
  yield new Map();
  yield allBut(pending, -1, 'dropped', 'dropped');
  for (const at of pending) {
    for (const fate of fatesOf(operations[at] as Operation)) {
      yield allBut(pending, at, fate, 'kept');
      yield allBut(pending, at, fate, 'dropped');
    }
  }
  for (let draw = 0; draw < draws; draw++) {
    yield new Map(
      pending.map((at) => {
        const choices = fatesOf(operations[at] as Operation);
        return [at, choices[rng.int(choices.length)] as Fate];
      }),
    );
  }
}

export interface CrashState {
  /** Operations that began before the crash. */
  readonly length: number;
  readonly tree: Tree;
}

/** Yields crash states at every point of the sequence, some of them equal. */
export function* crashStates(root: string, operations: readonly Operation[], draws: number): Generator<CrashState> {
  const rng = createRng(11);
  for (let length = 0; length <= operations.length; length++) {
    const pending = pendingOf(operations, length);
    const enough = pending.length > 1 ? draws : 0;
    for (const chosen of combinations(operations, pending, enough, rng.fork('crash', length))) {
      const tree = new Tree(root);
      for (let at = 0; at < length; at++) {
        const left = tear(operations[at] as Operation, chosen.get(at) ?? 'kept');
        if (left) tree.apply(left);
      }
      yield { length, tree };
    }
  }
}
