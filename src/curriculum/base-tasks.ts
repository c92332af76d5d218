/** The base tasks of a run: drawn uniformly, found again by id. */
import { TaskError } from '../errors.js';
import { emptyHistory } from '../history.js';
import type { Rng } from '../rng.js';
import type { Start } from '../rollout.js';
import type { Task } from '../task/task.js';

export class BaseTasks {
  readonly size: number;
  private readonly byId: ReadonlyMap<string, Task>;

  constructor(private readonly tasks: readonly Task[]) {
    this.size = tasks.length;
    this.byId = new Map(tasks.map((task) => [task.id, task]));
    if (this.size === 0) throw new TaskError('a curriculum needs at least one task');
    if (this.byId.size < this.size) throw new TaskError('two tasks of the split share an id', { id: this.twin() });
  }

  /** An attempt at a task drawn uniformly. */
  draw(rng: Rng): Start {
    return { task: this.tasks[rng.int(this.size)] as Task, history: emptyHistory, intent: 'attempt' };
  }

  /** Throws a TaskError for an id that is not among the tasks. */
  find(id: string): Task {
    const task = this.byId.get(id);
    if (!task) throw new TaskError(`task ${id} is not among the ${this.size} tasks of this run`, { id });
    return task;
  }

  private twin(): string | undefined {
    return this.tasks.find((task) => this.byId.get(task.id) !== task)?.id;
  }
}
