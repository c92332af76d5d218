/** What the runs of a demo are doing at this moment, for the live display. */
import type { DemoPlan, PlannedRun } from './plan.js';

export type Phase = 'waiting' | 'training' | 'evaluating' | 'done';

export interface RunState {
  /** A method, or `base`, which is only evaluated. */
  readonly method: string;
  /** Null for the base. */
  readonly seed: number | null;
  readonly phase: Phase;
  readonly update: number;
  /** 0 for the base. */
  readonly updates: number;
  /** The latest line of metrics.jsonl. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Training time so far. */
  readonly trainSeconds: number;
}

/** The states of all runs, by name, in the order of the plan with the base first. */
export class Board {
  private readonly states = new Map<string, RunState>();
  private evaluationSeconds: number | undefined;

  constructor(
    plan: DemoPlan,
    /** Runs at a time. */
    private readonly width: number,
    private readonly onChange: () => void,
  ) {
    const waiting = { phase: 'waiting', update: 0, trainSeconds: 0 } as const;
    this.states.set('base', { method: 'base', seed: null, updates: 0, ...waiting });
    for (const { folder, method, seed } of plan.runs) {
      this.states.set(folder, { method, seed, updates: plan.updates, ...waiting });
    }
  }

  get runs(): readonly RunState[] {
    return [...this.states.values()];
  }

  enter(name: string, phase: Phase): void {
    this.change(name, { phase });
  }

  /** One more line of metrics of a run that trains. */
  trained(run: PlannedRun, metrics: Readonly<Record<string, number>>): void {
    const seconds = this.state(run.folder).trainSeconds + (metrics.step_time ?? 0);
    this.change(run.folder, { update: metrics.update ?? 0, metrics, trainSeconds: seconds });
  }

  evaluated(name: string, seconds: number): void {
    this.evaluationSeconds = seconds;
    this.enter(name, 'done');
  }

  trainSecondsOf(run: PlannedRun): number {
    return this.state(run.folder).trainSeconds;
  }

  /**
   * Estimated seconds until all is done: what is left to train at the pace so far, and an evaluation of every run
   * that has none, shared out over the places. Undefined before the first updates are known.
   */
  secondsLeft(): number | undefined {
    const known = this.runs.filter(({ update }) => update > 0);
    if (known.length === 0) return undefined;
    const total = (measure: (run: RunState) => number): number => this.runs.reduce((sum, run) => sum + measure(run), 0);
    const pace = total(({ trainSeconds }) => trainSeconds) / total(({ update }) => update);
    // Until one is measured: an evaluation takes about as long as 150 updates here.
    const evaluation = this.evaluationSeconds ?? 150 * pace;
    const left = total(({ phase, update, updates }) => (phase === 'done' ? 0 : (updates - update) * pace + evaluation));
    return left / Math.min(this.width, this.runs.filter(({ phase }) => phase !== 'done').length || 1);
  }

  private state(name: string): RunState {
    const state = this.states.get(name);
    if (state === undefined) throw new RangeError(`no run ${name} in this demo`);
    return state;
  }

  private change(name: string, change: Partial<RunState>): void {
    this.states.set(name, { ...this.state(name), ...change });
    this.onChange();
  }
}
