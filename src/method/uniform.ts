/** The curriculum of plain GRPO, which draws base tasks only. */
import { requireFields } from '../arguments.js';
import { TaskError } from '../errors.js';
import type { Rng } from '../rng.js';
import type { Task } from '../task/task.js';
import { BaseTasks, type OrderSettings, taskFields } from './base-tasks.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import type { Group } from './group.js';
import type { Start } from './rollout.js';
import { StartRecord, type StartRecordState } from './start-record.js';

export interface UniformCurriculumState extends CurriculumState {
  readonly kind: 'uniform';
  readonly record: StartRecordState;
  readonly drawn?: number;
}

/** The tasks of a uniform curriculum and the order in which it draws them. */
export interface UniformCurriculumOptions {
  readonly tasks: readonly Task[];
  /** Order in which tasks are drawn; by default every draw is uniform. */
  readonly order?: OrderSettings;
}

/**
 * Creates the curriculum of plain GRPO: it draws base tasks uniformly, or in passes over all of them.
 * @throws TaskError when there are no tasks, or two share an id, InvalidRequestError for an option that is unknown or wrong.
 *
 * @example
 * import { codeBreaker } from 'exit-rl';
 * import { createRng, createUniformCurriculum } from 'exit-rl/method';
 *
 * const tasks = codeBreaker().tasks('train');
 * const curriculum = createUniformCurriculum({ tasks, order: { order: 'shuffled', seed: 1 } });
 * const starts = curriculum.nextBatch(2, createRng(1));
 * console.log(starts.map(({ task }) => task.id));
 */
export function createUniformCurriculum(options: UniformCurriculumOptions): Curriculum {
  requireFields<UniformCurriculumOptions>('createUniformCurriculum', options, taskFields);
  const { tasks, order } = options;
  return new UniformCurriculum(new BaseTasks(tasks, order));
}

class UniformCurriculum implements Curriculum {
  private readonly record: StartRecord;

  constructor(private readonly baseTasks: BaseTasks) {
    this.record = new StartRecord(this.baseTasks.size);
  }

  nextBatch(size: number, rng: Rng, drawn: readonly Start[] = []): readonly Start[] {
    return Array.from({ length: size }, (_, at) => {
      const before = drawn.length + at;
      return this.baseTasks.draw(rng.fork('start', before), before);
    });
  }

  observe(groups: readonly Group[]): void {
    this.baseTasks.observe(groups.map(({ start }) => start));
    this.record.observe(groups);
  }

  snapshot(): UniformCurriculumState {
    return { kind: 'uniform', record: this.record.snapshot(), ...this.baseTasks.snapshot() };
  }

  restore(state: CurriculumState): void {
    if (state.kind !== 'uniform') {
      throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
    }
    const uniformState = state as UniformCurriculumState;
    this.record.restore(uniformState.record);
    this.baseTasks.restore(uniformState);
  }

  metrics(): Record<string, number> {
    return this.record.metrics();
  }
}
