/** Base tasks only: plain GRPO. */
import { TaskError } from '../errors.js';
import type { Rng } from '../rng.js';
import type { Task } from '../task/task.js';
import { BaseTasks, type OrderSettings } from './base-tasks.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import type { Group } from './group.js';
import type { Start } from './rollout.js';
import { StartRecord, type StartRecordState } from './start-record.js';

export interface UniformCurriculumState extends CurriculumState {
  readonly kind: 'uniform';
  readonly record: StartRecordState;
  readonly drawn?: number;
}

export interface UniformCurriculumOptions {
  readonly tasks: readonly Task[];
  /** By default every draw is uniform. */
  readonly order?: OrderSettings;
}

export function createUniformCurriculum({ tasks, order }: UniformCurriculumOptions): Curriculum {
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
    const starts = groups.map(({ start }) => start);
    this.baseTasks.observe(starts);
    this.record.observe(starts);
  }

  snapshot(): UniformCurriculumState {
    return { kind: 'uniform', record: this.record.snapshot(), ...this.baseTasks.snapshot() };
  }

  restore(state: CurriculumState): void {
    if (state.kind !== 'uniform') {
      throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
    }
    const own = state as UniformCurriculumState;
    this.record.restore(own.record);
    this.baseTasks.restore(own);
  }

  metrics(): Record<string, number> {
    return this.record.metrics();
  }
}
