/**
 * Algorithm 1 of ExIt (arXiv 2509.04575): the set of starts grows by itself, and is drawn by learnability.
 * Line by line: `next` selects or takes a base task; `observe` scores the start, expands it, inserts what came of it.
 */

import { TaskError } from '../errors.js';
import { type History, historyKey, prefix } from '../history.js';
import type { Rng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { BaseTasks, type OrderSettings } from './base-tasks.js';
import { Buffer, type BufferState } from './buffer.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import { type Group, hasFailed } from './group.js';
import type { Start } from './rollout.js';
import { StartRecord, type StartRecordState } from './start-record.js';

export interface ExitCurriculumOptions {
  readonly family: Pick<TaskFamily, 'name'>;
  readonly tasks: readonly Task[];
  /** How base tasks are drawn; by default uniformly. */
  readonly order?: OrderSettings;
  /** N: entries of the buffer. */
  readonly capacity: number;
  /** B_min: replay begins at this size. */
  readonly minimumFill: number;
  /** κ of softmax(κ·S). */
  readonly inverseTemperature: number;
  /** p: probability that a start comes from the buffer. */
  readonly replayProbability: number;
  /** p_div: share of the replayed starts with the intent `diverge`. */
  readonly divergeProbability: number;
  /** true: stores histories with at least one iterate. false (method `curriculum`): stores base tasks only. */
  readonly expand: boolean;
}

/** What the buffer holds: a partial history of a task, and the update in which it came. */
interface Entry {
  readonly taskId: string;
  readonly history: History;
  readonly insertedAt: number;
}

export interface ExitCurriculumState extends CurriculumState {
  readonly kind: 'exit';
  readonly family: string;
  readonly buffer: BufferState<Entry>;
  readonly record: StartRecordState;
  readonly drawn?: number;
}

export function createExitCurriculum(options: ExitCurriculumOptions): Curriculum {
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

  /** With |B| ≥ B_min and probability p a start from the buffer, else a base task. */
  next(rng: Rng): Start {
    this.record.beginStart();
    const { minimumFill, replayProbability } = this.options;
    const isFilled = this.buffer.size >= Math.max(1, minimumFill);
    if (isFilled && rng.next() < replayProbability) return this.select(rng);
    const start = this.baseTasks.draw(rng);
    this.record.add(start);
    return start;
  }

  /** Scores the start, expands one member of its group, and inserts all that came of it with the same score S. */
  observe(group: Group, rng: Rng): void {
    this.record.endBatch();
    // No score is known when every member failed: nothing was learned about this start.
    if (group.rollouts.every(hasFailed)) return;
    const { task, history } = group.start;
    this.insert(task.id, history, group.score);
    const expanded = this.options.expand ? expand(group, rng) : undefined;
    if (expanded === undefined) return;
    this.insert(task.id, expanded, group.score);
    for (const partial of partialHistories(expanded)) this.insert(task.id, partial, group.score);
  }

  snapshot(): ExitCurriculumState {
    const { buffer, record, baseTasks } = this;
    const rooms = { buffer: buffer.snapshot(), record: record.snapshot() };
    return { kind: 'exit', family: this.options.family.name, ...rooms, ...baseTasks.snapshot() };
  }

  /** Throws a TaskError when the snapshot was taken with another curriculum, family or set of tasks. */
  restore(state: CurriculumState): void {
    const own = this.requireOwn(state);
    const { family, buffer, record } = own;
    if (family !== this.options.family.name) throw new TaskError(`the snapshot is of the family ${family}`, { family });
    for (const { entry } of buffer.slots) this.baseTasks.find(entry.taskId);
    this.buffer.restore(buffer);
    this.record.restore(record);
    this.baseTasks.restore(own);
  }

  metrics(): Record<string, number> {
    return { ...this.record.metrics(), ...this.buffer.metrics() };
  }

  /** Entry i by softmax(κ·S_i), a uniform turn prefix t⁻ of its history, a uniform iterate k' of that turn. */
  private select(rng: Rng): Start {
    const { entry } = this.buffer.draw(rng);
    const task = this.baseTasks.find(entry.taskId);
    const history = cutAtRandom(entry.history, rng);
    const start: Start = { task, history, intent: this.intentFor(history, rng) };
    this.record.add(start, entry.insertedAt);
    return start;
  }

  /** `diverge` with probability p_div, else `improve`; a base task has nothing to rewrite. */
  private intentFor(history: History, rng: Rng): Start['intent'] {
    if (history.turns.length === 0) return 'attempt';
    return rng.next() < this.options.divergeProbability ? 'diverge' : 'improve';
  }

  private insert(taskId: string, history: History, score: number): void {
    const isBaseTask = history.turns.length === 0;
    if (isBaseTask === this.options.expand) return;
    const entry = { taskId, history, insertedAt: this.record.currentUpdate };
    this.buffer.insert(historyKey(taskId, history), entry, score);
  }

  private requireOwn(state: CurriculumState): ExitCurriculumState {
    if (state.kind === 'exit') return state as ExitCurriculumState;
    throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
  }
}

/** τ_{t⁻}^{k'}, with t⁻ uniform over the turns and k' uniform over the iterates of that turn. */
function cutAtRandom(history: History, rng: Rng): History {
  if (history.turns.length === 0) return history;
  const turns = 1 + rng.int(history.turns.length);
  const iterates = history.turns[turns - 1]?.iterates.length ?? 0;
  return prefix(history, turns, 1 + rng.int(iterates));
}

/** m⁺: the history of one member, uniform among those that ended properly; undefined when none did. */
function expand(group: Group, rng: Rng): History | undefined {
  const finished = group.rollouts.filter(({ outcome }) => outcome.kind === 'finished');
  return finished.length === 0 ? undefined : finished[rng.int(finished.length)]?.history;
}

/** Every per-turn partial history of m⁺, shorter than itself. */
function partialHistories(history: History): History[] {
  return history.turns.slice(1).map((_, turn) => prefix(history, turn + 1));
}
