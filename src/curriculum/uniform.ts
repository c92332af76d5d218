/** Base tasks only, drawn uniformly: plain GRPO. */
import { TaskError } from '../errors.js';
import type { Rng } from '../rng.js';
import type { Start } from '../rollout.js';
import type { Task } from '../task/task.js';
import { BaseTasks } from './base-tasks.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import { StartRecord, type StartRecordState } from './start-record.js';

export interface UniformCurriculumState extends CurriculumState {
  readonly kind: 'uniform';
  readonly record: StartRecordState;
}

export function createUniformCurriculum({ tasks }: { readonly tasks: readonly Task[] }): Curriculum {
  return new UniformCurriculum(tasks);
}

class UniformCurriculum implements Curriculum {
  private readonly baseTasks: BaseTasks;
  private readonly record: StartRecord;

  constructor(tasks: readonly Task[]) {
    this.baseTasks = new BaseTasks(tasks);
    this.record = new StartRecord(this.baseTasks.size);
  }

  next(rng: Rng): Start {
    this.record.beginStart();
    const start = this.baseTasks.draw(rng);
    this.record.add(start);
    return start;
  }

  observe(): void {
    this.record.endBatch();
  }

  snapshot(): UniformCurriculumState {
    return { kind: 'uniform', record: this.record.snapshot() };
  }

  restore(state: CurriculumState): void {
    if (state.kind !== 'uniform') {
      throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
    }
    this.record.restore((state as UniformCurriculumState).record);
  }

  metrics(): Record<string, number> {
    return this.record.metrics();
  }
}
