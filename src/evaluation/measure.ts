/** Averages chains: quality, solved share, corrections and unreadable answers at every k, with standard errors. */
import { mean } from '../stats.js';
import type { Chain } from './chain.js';
import { countCorrections } from './corrections.js';
import type { Evaluation, StandardErrors, UnreadableRule } from './evaluation.js';
import { type ByTask, standardError, standardErrors, tasksNeeded } from './standard-error.js';

/** The complete chains, one list per task. */
export type ChainsByTask = readonly (readonly Chain[])[];

export type Measures = Omit<Evaluation, 'tasks' | 'draws' | 'seconds' | 'failures' | 'example'>;

/** How chains of K iterations are measured. */
export interface MeasureSettings {
  readonly iterations: number;
  /** The k to report; 0 and K are always among them. */
  readonly at: readonly number[] | undefined;
  readonly unreadable: UnreadableRule;
}

/** Lists the k to report, ascending. */
export function reportedIterations({ iterations, at }: Pick<MeasureSettings, 'iterations' | 'at'>): number[] {
  if (at === undefined) return Array.from({ length: iterations + 1 }, (_, k) => k);
  return [...new Set([0, ...at, iterations])].sort((one, other) => one - other);
}

/** Reads a value of every chain, by task. */
const pick = (chains: ChainsByTask, read: (chain: Chain) => number): ByTask => chains.map((task) => task.map(read));

const qualityAt =
  (k: number) =>
  (chain: Chain): number =>
    chain.qualities[k] ?? 0;
const solvedAt =
  (k: number) =>
  (chain: Chain): number =>
    isSolved(chain.qualities[k] ?? 0) ? 1 : 0;
const isSolved = (quality: number): boolean => quality >= 1;
const gain =
  (at: typeof qualityAt, K: number) =>
  (chain: Chain): number =>
    at(K)(chain) - at(0)(chain);

function measureErrors(chains: ChainsByTask, k: readonly number[]): StandardErrors {
  const last = k.at(-1) ?? 0;
  return {
    quality: standardErrors(k.map((at) => pick(chains, qualityAt(at)))),
    solved: standardErrors(k.map((at) => pick(chains, solvedAt(at)))),
    deltaQuality: standardError(pick(chains, gain(qualityAt, last))),
    deltaSolved: standardError(pick(chains, gain(solvedAt, last))),
  };
}

/** Measures at least one chain. */
export function measureChains(byTask: ChainsByTask, settings: MeasureSettings): Measures {
  const chains = byTask.flat();
  const { iterations, unreadable: unreadableRule } = settings;
  const k = reportedIterations(settings);
  const average = (read: (chain: Chain) => number): number => mean(chains.map(read));
  const { fixed, broken, fixedTotal, brokenTotal } = countCorrections(
    chains.map(({ qualities }) => qualities.map(isSolved)),
  );
  const unreadableAt = (at: number): number => average(({ unreadable }) => (unreadable[at] ? 1 : 0));
  const rewrites = Array.from({ length: iterations }, (_, at) => unreadableAt(at + 1));
  return {
    k,
    quality: k.map((at) => average(qualityAt(at))),
    solved: k.map((at) => average(solvedAt(at))),
    fixed: k.map((at) => fixed[at] ?? 0),
    broken: k.map((at) => broken[at] ?? 0),
    fixedTotal,
    brokenTotal,
    unreadable: k.map(unreadableAt),
    ...(iterations > 0 && { unreadableRewrites: mean(rewrites) }),
    unreadableRule,
    deltaQuality: average(qualityAt(iterations)) - average(qualityAt(0)),
    deltaSolved: average(solvedAt(iterations)) - average(solvedAt(0)),
    standardErrors: measureErrors(byTask, k),
    tasksNeeded: tasksNeeded(pick(byTask, solvedAt(0)), pick(byTask, solvedAt(iterations))),
  };
}
