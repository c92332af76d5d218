/**
 * Algorithm 1 of ExIt (arXiv 2509.04575): the curriculum grows the set of starts and draws them by learnability.
 * `nextBatch` selects starts from the buffer or draws base tasks; `observe` expands the starts and inserts them with their
 * learnability scores.
 */

import {
  anyRecord,
  type Fields,
  flag,
  type Kind,
  notNegative,
  oneOf,
  positiveNumber,
  record,
  required,
  requireFields,
  share,
  wholeNumber,
} from '../arguments.js';
import { TaskError } from '../errors.js';
import { depth, type History, historyKey, parent } from '../history.js';
import type { Rng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { BaseTasks, countBaseDraws, type OrderSettings, taskFields } from './base-tasks.js';
import { Buffer, type BufferState, type Score } from './buffer.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import { cutAtRandom, expand, partialHistories } from './expand.js';
import type { Group } from './group.js';
import type { PrioritySettings } from './priority.js';
import type { Start } from './rollout.js';
import { StartRecord, type StartRecordState } from './start-record.js';

/** The tasks of an ExIt curriculum and the hyperparameters of Algorithm 1 (arXiv 2509.04575), by the paper's letters. */
export interface ExitCurriculumOptions {
  readonly family: Pick<TaskFamily, 'name'>;
  readonly tasks: readonly Task[];
  /** Order in which base tasks are drawn; by default every draw is uniform. */
  readonly order?: OrderSettings;
  /** N: entries of the buffer. */
  readonly capacity: number;
  /** B_min: replay begins at this size. */
  readonly minimumFill: number;
  /** softmax(κ·R), R in (0, 1) the rank of S in the buffer (`rank`), or softmax(κ·S) (`absolute`). */
  readonly priority: PrioritySettings;
  /** Largest share of the buffer for the entries of one task, in (0, 1]; 1 by default. */
  readonly taskShare?: number;
  /** p: probability that a start is drawn from the buffer. */
  readonly replayProbability: number;
  /** p_div: share of the replayed starts with the intent `diverge`. */
  readonly divergeProbability: number;
  /** true: stores histories with at least one iterate. false (method `curriculum`): stores base tasks only. */
  readonly expand: boolean;
  /** Stores base tasks beside the histories; false by default. Without `expand` they are stored anyway. */
  readonly baseStarts?: boolean;
}

const priorityFields: Fields<PrioritySettings> = {
  kind: required(oneOf('rank', 'absolute')),
  inverseTemperature: required(notNegative),
};

const taskShare: Kind = {
  words: 'a share above 0, at most 1',
  fits: (value) => typeof value === 'number' && value > 0 && value <= 1,
};

const optionFields: Fields<ExitCurriculumOptions> = {
  ...taskFields,
  family: required(anyRecord),
  capacity: required(positiveNumber),
  minimumFill: required(wholeNumber),
  priority: required(record(priorityFields)),
  taskShare,
  replayProbability: required(share),
  divergeProbability: required(share),
  expand: required(flag),
  baseStarts: flag,
};

/** An entry of the buffer: a partial history of a task, with its place in the lineage. */
interface Entry {
  readonly taskId: string;
  readonly history: History;
  /** Update that inserted the entry, from 0. */
  readonly insertedAt: number;
  /** Key of the history one answer earlier; null for a base task. */
  readonly parent: string | null;
  /** Iterates of the last turn. */
  readonly depth: number;
}

export interface ExitCurriculumState extends CurriculumState {
  readonly kind: 'exit';
  readonly family: string;
  readonly buffer: BufferState<Entry>;
  readonly record: StartRecordState;
  readonly drawn?: number;
}

/**
 * Creates the curriculum of ExIt (arXiv 2509.04575, Algorithm 1): it replays self-iteration starts by learnability and adds
 * new ones from every group.
 * @throws TaskError when there are no tasks or two share an id, InvalidRequestError for an option that is missing,
 * unknown or outside its range.
 *
 * @example
 * import { codeBreaker } from 'exit-rl';
 * import { createExitCurriculum, createRng } from 'exit-rl/method';
 *
 * const family = codeBreaker();
 * const curriculum = createExitCurriculum({
 *   family,
 *   tasks: family.tasks('train'),
 *   capacity: 256,
 *   minimumFill: 64,
 *   priority: { kind: 'rank', inverseTemperature: 4 },
 *   replayProbability: 0.5,
 *   divergeProbability: 0.2,
 *   expand: true,
 * });
 * const starts = curriculum.nextBatch(4, createRng(1));
 * console.log(starts.map(({ intent }) => intent)); // four attempts: the buffer is empty
 */
export function createExitCurriculum(options: ExitCurriculumOptions): Curriculum {
  requireFields<ExitCurriculumOptions>('createExitCurriculum', options, optionFields);
  return new ExitCurriculum(options);
}

class ExitCurriculum implements Curriculum {
  private readonly baseTasks: BaseTasks;
  private readonly buffer: Buffer<Entry>;
  private readonly record: StartRecord;

  constructor(private readonly options: ExitCurriculumOptions) {
    this.baseTasks = new BaseTasks(options.tasks, options.order);
    this.buffer = new Buffer(options);
    this.record = new StartRecord(this.baseTasks.size);
  }

  nextBatch(size: number, rng: Rng, drawn: readonly Start[] = []): readonly Start[] {
    const starts: Start[] = [];
    let baseDraws = countBaseDraws(drawn);
    for (let at = drawn.length; at < drawn.length + size; at++) {
      const start = this.next(rng.fork('start', at), baseDraws);
      if (start.origin === undefined) baseDraws += 1;
      starts.push(start);
    }
    return starts;
  }

  observe(groups: readonly Group[], rng: Rng): void {
    groups.forEach((group, at) => {
      this.learn(group, rng.fork('observe', at));
    });
    this.baseTasks.observe(groups.map(({ start }) => start));
    this.record.observe(groups);
  }

  /** Selects a start from the buffer with probability p once |B| ≥ B_min, otherwise draws a base task. */
  private next(rng: Rng, baseDraws: number): Start {
    const { minimumFill, replayProbability } = this.options;
    const isFilled = this.buffer.size >= Math.max(1, minimumFill);
    if (isFilled && rng.next() < replayProbability) return this.select(rng);
    return this.baseTasks.draw(rng, baseDraws);
  }

  /**
   * Gives the measured score S to the entry that was drawn and to the start, which may be a prefix of it, and lets the
   * histories that one member reached inherit it. A group whose score is unknown changes nothing.
   */
  private learn(group: Group, rng: Rng): void {
    const { start, score: value } = group;
    if (Number.isNaN(value)) return;
    const measured: Score = { value, scoredAt: this.record.currentUpdate, measured: true };
    // A draw of the entry is worth the score of a random prefix: this one is a sample of it.
    if (start.origin !== undefined) this.buffer.rescore(start.origin.key, measured);
    this.insert(start.task.id, start.history, measured);
    const expanded = this.options.expand ? expand(group, rng) : undefined;
    if (expanded === undefined) return;
    for (const history of [expanded, ...partialHistories(expanded)]) {
      this.insert(start.task.id, history, { ...measured, measured: false });
    }
  }

  snapshot(): ExitCurriculumState {
    const { buffer, record, baseTasks } = this;
    return {
      kind: 'exit',
      family: this.options.family.name,
      buffer: buffer.snapshot(),
      record: record.snapshot(),
      ...baseTasks.snapshot(),
    };
  }

  /** @throws TaskError when the snapshot is of another curriculum, family or set of tasks. */
  restore(state: CurriculumState): void {
    const exitState = requireExitState(state);
    const { family, buffer, record } = exitState;
    if (family !== this.options.family.name) throw new TaskError(`the snapshot has the family ${family}`, { family });
    for (const { entry } of buffer.slots) this.baseTasks.find(entry.taskId);
    this.buffer.restore(buffer);
    this.record.restore(record);
    this.baseTasks.restore(exitState);
  }

  metrics(): Record<string, number> {
    const { effective, topTask } = this.buffer.concentration();
    return {
      ...this.record.metrics(),
      'curriculum/effective_starts': effective,
      'curriculum/top_task_share': topTask,
      ...this.buffer.metrics(),
    };
  }

  /** Draws an entry by its priority, a uniform turn prefix t⁻ of its history and a uniform iterate k' of that turn. */
  private select(rng: Rng): Start {
    const { key, entry, score, scoredAt, measured } = this.buffer.draw(rng);
    const task = this.baseTasks.find(entry.taskId);
    const history = cutAtRandom(entry.history, rng);
    const origin = { key, insertedAt: entry.insertedAt, score, scoredAt, measured };
    return { task, history, intent: this.drawIntent(history, rng), origin };
  }

  /** Draws `diverge` with probability p_div, else `improve`; a base task can only be attempted. */
  private drawIntent(history: History, rng: Rng): Start['intent'] {
    if (history.turns.length === 0) return 'attempt';
    return rng.next() < this.options.divergeProbability ? 'diverge' : 'improve';
  }

  private insert(taskId: string, history: History, score: Score): void {
    if (!this.stores(history)) return;
    const before = parent(history);
    const entry = {
      taskId,
      history,
      insertedAt: this.record.currentUpdate,
      parent: before === undefined ? null : historyKey(taskId, before),
      depth: depth(history),
    };
    this.buffer.insert(historyKey(taskId, history), entry, score);
  }

  private stores(history: History): boolean {
    const { expand: storesHistories, baseStarts = false } = this.options;
    return history.turns.length === 0 ? baseStarts || !storesHistories : storesHistories;
  }
}

function requireExitState(state: CurriculumState): ExitCurriculumState {
  if (state.kind === 'exit') return state as ExitCurriculumState;
  throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
}
