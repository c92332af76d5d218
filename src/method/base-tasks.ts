/** The base tasks of a run: drawn uniformly or in passes over all of them, found again by id. */
import { TaskError } from '../errors.js';
import { emptyHistory } from '../history.js';
import { createRng, type Rng, shuffle } from '../rng.js';
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
  /** Draws of observed batches, where draws go in passes. */
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

  /** An attempt at the task that the order gives after `before` draws of the same batch. */
  draw(rng: Rng, before: number): Start {
    const place = this.settings.order === 'uniform' ? rng.int(this.size) : this.placeAt(this.drawn + before);
    return { task: this.tasks[place] as Task, history: emptyHistory, intent: 'attempt' };
  }

  /** Counts the base tasks among the starts of an observed batch. */
  observe(starts: readonly Start[]): void {
    this.drawn += countBaseDraws(starts);
  }

  /** The position in the passes, as part of a curriculum's snapshot; empty where draws are independent. */
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

  private placeAt(draw: number): number {
    const number = Math.floor(draw / this.size);
    const at = draw % this.size;
    if (this.settings.order === 'sequential') return at;
    if (this.pass?.number !== number) this.pass = { number, places: this.shuffled(number) };
    return this.pass.places[at] as number;
  }

  /** The places of pass `number`: a function of seed and number, so that a resumed run goes on in the same order. */
  private shuffled(number: number): readonly number[] {
    const rng = createRng(this.settings.seed).fork('task order', number);
    return shuffle(
      this.tasks.map((_, at) => at),
      rng,
    );
  }

  private twin(): string | undefined {
    return this.tasks.find((task) => this.byId.get(task.id) !== task)?.id;
  }
}

/** The starts that were drawn as base tasks, and not from a buffer. */
export const countBaseDraws = (starts: readonly Start[]): number =>
  starts.filter(({ origin }) => origin === undefined).length;

interface Passes {
  readonly updates: number;
  readonly passes?: number | undefined;
  readonly startsPerBatch: number;
}

/**
 * The config with its number of updates: ⌈passes · tasks / P⌉ where `passes` is given and `updates` is not. The last batch
 * of a pass goes on into the next one.
 */
export function withUpdates<Config extends Passes>(config: Config, family: Pick<TaskFamily, 'tasks'>): Config {
  const { updates, passes, startsPerBatch } = config;
  if (updates > 0 || passes === undefined) return config;
  return { ...config, updates: Math.ceil((passes * family.tasks('train').length) / startsPerBatch) };
}
