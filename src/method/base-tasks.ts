/** The base tasks of a run: drawn uniformly or in passes over all of them, found again by id. */
import { TaskError } from '../errors.js';
import { emptyHistory } from '../history.js';
import { createRng, type Rng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import type { Start } from './rollout.js';

/**
 * `uniform`: each draw by itself, as the method has it. `shuffled`: every task once before any comes again, each pass in
 * an order of its own; `sequential`: in the order of the data.
 */
export type TaskOrder = 'uniform' | 'shuffled' | 'sequential';

export interface OrderSettings {
  readonly order: TaskOrder;
  /** Decides the order of every pass. */
  readonly seed: number;
}

export class BaseTasks {
  readonly size: number;
  private readonly byId: ReadonlyMap<string, Task>;
  /** Draws so far, where they go in passes. */
  private drawn = 0;
  private pass: { readonly number: number; readonly places: readonly number[] } | undefined;

  constructor(
    private readonly tasks: readonly Task[],
    private readonly settings: OrderSettings = { order: 'uniform', seed: 0 },
  ) {
    this.size = tasks.length;
    this.byId = new Map(tasks.map((task) => [task.id, task]));
    if (this.size === 0) throw new TaskError('a curriculum needs at least one task');
    if (this.byId.size < this.size) throw new TaskError('two tasks of the split share an id', { id: this.twin() });
  }

  /** An attempt at the task that the order gives. */
  draw(rng: Rng): Start {
    const place = this.settings.order === 'uniform' ? rng.int(this.size) : this.nextPlace();
    return { task: this.tasks[place] as Task, history: emptyHistory, intent: 'attempt' };
  }

  /** Where the passes stand, as part of a curriculum's snapshot; empty where draws are independent. */
  snapshot(): { readonly drawn?: number } {
    return this.settings.order === 'uniform' ? {} : { drawn: this.drawn };
  }

  restore({ drawn = 0 }: { readonly drawn?: number }): void {
    this.drawn = drawn;
  }

  /** Throws a TaskError for an id that is not among the tasks. */
  find(id: string): Task {
    const task = this.byId.get(id);
    if (!task) throw new TaskError(`task ${id} is not among the ${this.size} tasks of this run`, { id });
    return task;
  }

  private nextPlace(): number {
    const [number, at] = [Math.floor(this.drawn / this.size), this.drawn % this.size];
    this.drawn += 1;
    if (this.settings.order === 'sequential') return at;
    if (this.pass?.number !== number) this.pass = { number, places: this.shuffled(number) };
    return this.pass.places[at] as number;
  }

  /** The places of pass `number`: a function of seed and number, so that a resumed run goes on in the same order. */
  private shuffled(number: number): readonly number[] {
    const rng = createRng(this.settings.seed).fork('task order', number);
    const places = this.tasks.map((_, at) => at);
    for (let at = places.length - 1; at > 0; at--) {
      const other = rng.int(at + 1);
      [places[at], places[other]] = [places[other] as number, places[at] as number];
    }
    return places;
  }

  private twin(): string | undefined {
    return this.tasks.find((task) => this.byId.get(task.id) !== task)?.id;
  }
}

interface Passes {
  readonly updates: number;
  readonly epochs?: number | undefined;
  readonly startsPerBatch: number;
}

/**
 * The config with its number of updates: ⌈epochs · tasks / P⌉ where `epochs` is given and `updates` is not. The last batch
 * of a pass goes on into the next one.
 */
export function withUpdates<Config extends Passes>(config: Config, family: Pick<TaskFamily, 'tasks'>): Config {
  const { updates, epochs, startsPerBatch } = config;
  if (updates > 0 || epochs === undefined) return config;
  return { ...config, updates: Math.ceil((epochs * family.tasks('train').length) / startsPerBatch) };
}
