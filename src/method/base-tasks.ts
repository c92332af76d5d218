/** The base tasks of a run: draws them uniformly or in passes over all of them, and finds them by id. */
import { anyRecord, type Fields, finiteNumber, listOf, oneOf, record, required } from '../arguments.js';
import { TaskError } from '../errors.js';
import { emptyHistory } from '../history.js';
import { createRng, type Rng, shuffle } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import type { Start } from './rollout.js';

/**
 * `uniform` draws every task independently, as the paper does. `shuffled` draws every task once per pass, in a new order
 * each pass; `sequential` draws them in the order of the data.
 */
export type TaskOrder = 'uniform' | 'shuffled' | 'sequential';

/** The order in which base tasks are drawn. */
export interface OrderSettings {
  readonly order: TaskOrder;
  /** Seeds the order of every shuffled pass. */
  readonly seed: number;
}

const orderFields: Fields<OrderSettings> = {
  order: required(oneOf('uniform', 'shuffled', 'sequential')),
  seed: required(finiteNumber),
};

/** The fields that every curriculum takes. */
export const taskFields: Fields<{ tasks: readonly Task[]; order?: OrderSettings }> = {
  tasks: required(listOf(anyRecord)),
  order: record(orderFields),
};

export class BaseTasks {
  readonly size: number;
  private readonly byId: ReadonlyMap<string, Task>;
  /** Base tasks in the batches observed so far: the position in the passes. */
  private drawn = 0;
  private pass: { readonly number: number; readonly places: readonly number[] } | undefined;

  constructor(
    private readonly tasks: readonly Task[],
    private readonly settings: OrderSettings = { order: 'uniform', seed: 0 },
  ) {
    this.size = tasks.length;
    this.byId = new Map(tasks.map((task) => [task.id, task]));
    if (this.size === 0) throw new TaskError('a curriculum needs at least one task');
    if (this.byId.size < this.size)
      throw new TaskError('two tasks of the split share an id', { id: this.findDuplicate() });
  }

  /** Draws the start of an attempt; `before` counts the base tasks drawn for the same batch already. */
  draw(rng: Rng, before: number): Start {
    const place = this.settings.order === 'uniform' ? rng.int(this.size) : this.placeAt(this.drawn + before);
    return { task: this.tasks[place] as Task, history: emptyHistory, intent: 'attempt' };
  }

  /** Advances the passes by the base tasks among the starts of an observed batch. */
  observe(starts: readonly Start[]): void {
    this.drawn += countBaseDraws(starts);
  }

  /** Returns the position in the passes for a curriculum's snapshot; empty where draws are independent. */
  snapshot(): { readonly drawn?: number } {
    return this.settings.order === 'uniform' ? {} : { drawn: this.drawn };
  }

  restore({ drawn = 0 }: { readonly drawn?: number }): void {
    this.drawn = drawn;
  }

  /** @throws TaskError when no task has this id. */
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

  /** Shuffles the places for pass `number`. Seed and number decide the order, so a resumed run continues in it. */
  private shuffled(number: number): readonly number[] {
    const rng = createRng(this.settings.seed).fork('task order', number);
    return shuffle(
      this.tasks.map((_, at) => at),
      rng,
    );
  }

  private findDuplicate(): string | undefined {
    return this.tasks.find((task) => this.byId.get(task.id) !== task)?.id;
  }
}

/** Counts the starts that were drawn as base tasks and not from a buffer. */
export const countBaseDraws = (starts: readonly Start[]): number =>
  starts.filter(({ origin }) => origin === undefined).length;

interface Passes {
  readonly updates: number;
  readonly passes?: number | undefined;
  readonly startsPerBatch: number;
}

/**
 * Fills in the number of updates: ⌈passes · tasks / P⌉ where `passes` is given and `updates` is 0, with P starts per batch.
 * A batch may span two passes over the tasks. Any other config is returned unchanged.
 *
 * @example
 * import { codeBreaker } from 'exit-rl';
 * import { withUpdates } from 'exit-rl/method';
 *
 * const { updates } = withUpdates({ updates: 0, passes: 2, startsPerBatch: 16 }, codeBreaker());
 * console.log(updates);
 */
export function withUpdates<Config extends Passes>(config: Config, family: Pick<TaskFamily, 'tasks'>): Config {
  const { updates, passes, startsPerBatch } = config;
  if (updates > 0 || passes === undefined) return config;
  return { ...config, updates: Math.ceil((passes * family.tasks('train').length) / startsPerBatch) };
}
