/** Tracks the state of a demo's runs for the live display. */
import type { DemoPlan, PlannedRun } from './plan.js';

export type Phase = 'waiting' | 'training' | 'evaluating' | 'done';

export interface RunState {
  /** A method, or `base` for the untrained model, which is only evaluated. */
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

/** The assumed cost of an evaluation until one is measured: one draw of the test tasks takes as long as this many updates. */
const updatesPerDraw = 40;

/** The states of all runs, by name, in the order of the plan with the base first. */
export class Board {
  private readonly states = new Map<string, RunState>();
  private evaluationSeconds: number | undefined;

  constructor(
    private readonly plan: DemoPlan,
    /** Number of runs at a time. */
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

  /** Records one more line of metrics of a run in training. */
  trained(run: PlannedRun, metrics: Readonly<Record<string, number>>): void {
    const seconds = this.state(run.folder).trainSeconds + (metrics.step_time ?? 0);
    this.change(run.folder, { update: metrics.update ?? 0, metrics, trainSeconds: seconds });
  }

  evaluated(name: string, seconds: number): void {
    this.evaluationSeconds = seconds;
    this.enter(name, 'done');
  }

  getTrainSeconds(run: PlannedRun): number {
    return this.state(run.folder).trainSeconds;
  }

  /** Estimates the seconds until this run is trained and evaluated; undefined before the pace is known. */
  estimateSecondsLeft({ phase, update, updates }: RunState): number | undefined {
    if (phase === 'done') return 0;
    const pace = this.secondsPerUpdate();
    if (pace === undefined) return undefined;
    return (updates - update) * pace + (this.evaluationSeconds ?? updatesPerDraw * this.plan.draws * pace);
  }

  /** Estimates the seconds until all runs are done: their sum, divided by the runs at a time. */
  estimateTotalSecondsLeft(): number | undefined {
    const left = this.runs.map((run) => this.estimateSecondsLeft(run));
    if (left.some((seconds) => seconds === undefined)) return undefined;
    const open = this.runs.filter(({ phase }) => phase !== 'done').length;
    return left.reduce<number>((sum, seconds) => sum + (seconds ?? 0), 0) / Math.min(this.width, Math.max(1, open));
  }

  private secondsPerUpdate(): number | undefined {
    const updates = this.runs.reduce((sum, { update }) => sum + update, 0);
    const seconds = this.runs.reduce((sum, { trainSeconds }) => sum + trainSeconds, 0);
    return updates === 0 ? undefined : seconds / updates;
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
