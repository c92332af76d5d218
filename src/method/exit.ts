/**
 * Algorithm 1 of ExIt (arXiv 2509.04575): the curriculum grows the set of starts and draws them by learnability.
 * `nextBatch` selects starts from the buffer or draws base tasks; `observe` expands the starts and inserts them with their
 * learnability scores.
 */

import {
  anyRecord,
  type Fields,
  flag,
  notNegative,
  positiveNumber,
  required,
  requireFields,
  share,
  wholeNumber,
} from '../arguments.js';
import { TaskError } from '../errors.js';
import { type History, historyKey, prefix } from '../history.js';
import type { Rng } from '../rng.js';
import type { Task, TaskFamily } from '../task/task.js';
import { BaseTasks, countBaseDraws, type OrderSettings, taskFields } from './base-tasks.js';
import { Buffer, type BufferState } from './buffer.js';
import type { Curriculum, CurriculumState } from './curriculum.js';
import { type Group, hasFailed } from './group.js';
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
  /** κ of softmax(κ·S). */
  readonly inverseTemperature: number;
  /** p: probability that a start is drawn from the buffer. */
  readonly replayProbability: number;
  /** p_div: share of the replayed starts with the intent `diverge`. */
  readonly divergeProbability: number;
  /** true: stores histories with at least one iterate. false (method `curriculum`): stores base tasks only. */
  readonly expand: boolean;
}

const optionFields: Fields<ExitCurriculumOptions> = {
  ...taskFields,
  family: required(anyRecord),
  capacity: required(positiveNumber),
  minimumFill: required(wholeNumber),
  inverseTemperature: required(notNegative),
  replayProbability: required(share),
  divergeProbability: required(share),
  expand: required(flag),
};

/** An entry of the buffer: a partial history of a task with the update that inserted it. */
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
 *   inverseTemperature: 80,
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
    const starts = groups.map(({ start }) => start);
    this.baseTasks.observe(starts);
    this.record.observe(starts);
  }

  /** Selects a start from the buffer with probability p once |B| ≥ B_min, otherwise draws a base task. */
  private next(rng: Rng, baseDraws: number): Start {
    const { minimumFill, replayProbability } = this.options;
    const isFilled = this.buffer.size >= Math.max(1, minimumFill);
    if (isFilled && rng.next() < replayProbability) return this.select(rng);
    return this.baseTasks.draw(rng, baseDraws);
  }

  /** Inserts the start with its score S, and with the same score the histories that one member of its group reached. */
  private learn(group: Group, rng: Rng): void {
    // When every member failed, the score is unknown.
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
    return { ...this.record.metrics(), ...this.buffer.metrics() };
  }

  /** Draws entry i by softmax(κ·S_i), a uniform turn prefix t⁻ of its history and a uniform iterate k' of that turn. */
  private select(rng: Rng): Start {
    const { entry } = this.buffer.draw(rng);
    const task = this.baseTasks.find(entry.taskId);
    const history = cutAtRandom(entry.history, rng);
    return { task, history, intent: this.drawIntent(history, rng), origin: { insertedAt: entry.insertedAt } };
  }

  /** Draws `diverge` with probability p_div, else `improve`; a base task can only be attempted. */
  private drawIntent(history: History, rng: Rng): Start['intent'] {
    if (history.turns.length === 0) return 'attempt';
    return rng.next() < this.options.divergeProbability ? 'diverge' : 'improve';
  }

  private insert(taskId: string, history: History, score: number): void {
    const isBaseTask = history.turns.length === 0;
    if (isBaseTask === this.options.expand) return;
    const entry = { taskId, history, insertedAt: this.record.currentUpdate };
    this.buffer.insert(historyKey(taskId, history), entry, score);
  }
}

function requireExitState(state: CurriculumState): ExitCurriculumState {
  if (state.kind === 'exit') return state as ExitCurriculumState;
  throw new TaskError(`a snapshot of the curriculum ${state.kind} cannot be restored here`, { kind: state.kind });
}

/** Cuts the history to τ_{t⁻}^{k'}, with t⁻ uniform over the turns and k' uniform over the iterates of that turn. */
function cutAtRandom(history: History, rng: Rng): History {
  if (history.turns.length === 0) return history;
  const turns = 1 + rng.int(history.turns.length);
  const iterates = history.turns[turns - 1]?.iterates.length ?? 0;
  return prefix(history, turns, 1 + rng.int(iterates));
}

/** Draws m⁺: the history of one member, uniform among those that finished; undefined when none did. */
function expand(group: Group, rng: Rng): History | undefined {
  const finished = group.rollouts.filter(({ outcome }) => outcome.kind === 'finished');
  return finished.length === 0 ? undefined : finished[rng.int(finished.length)]?.history;
}

/** Lists every per-turn partial history of m⁺, without m⁺ itself. */
function partialHistories(history: History): History[] {
  return history.turns.slice(1).map((_, turn) => prefix(history, turn + 1));
}
