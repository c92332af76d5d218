/**
 * Records a run on a disk: it is trained and killed, its newest checkpoint damaged, resumed, pruned, resumed from a named
 * checkpoint, and finished. The recording lists the operation after which each checkpoint must survive a crash.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig, type RunConfig } from '../../../../src/config/parse.js';
import { listCheckpoints } from '../../../../src/disk/checkpoint-folders.js';
import { readManifest } from '../../../../src/disk/manifest.js';
import { openRun, type Run } from '../../../../src/run/run.js';
import { train } from '../../../../src/run/train.js';
import type { TaskFamily } from '../../../../src/task/task.js';
import { oneRung } from '../../../support/ladder.js';
import { DigitPolicy, digitEmbedder } from '../digit-policy.js';
import { type Recording, recordDisk } from './recording-disk.js';

export const family = oneRung as TaskFamily;

/** After this operation the recovery from a crash must find checkpoint `update` or a later one. */
export interface Promised {
  readonly after: number;
  readonly update: number;
}

/** The lines of metrics and traces that belong to a finished checkpoint. */
export interface Lines {
  readonly metrics: string;
  readonly traces: string;
}

export interface Scenario extends Recording {
  readonly run: string;
  readonly config: RunConfig;
  readonly promises: readonly Promised[];
  /** Lines by the hash of the manifest; an equal checkpoint that is written again may have other times in its lines. */
  readonly saved: ReadonlyMap<string, readonly Lines[]>;
}

export function configOf(model: string): RunConfig {
  return parseConfig({
    task: 'one-rung',
    model,
    updates: 14,
    startsPerBatch: 2,
    groupSize: 2,
    buffer: { capacity: 3, minimumFill: 1 },
    checkpoint: { every: 1 },
    traces: 'all',
  });
}

class Recorder {
  readonly promises: Promised[] = [];
  readonly saved = new Map<string, Lines[]>();
  readonly run: string;
  readonly config: RunConfig;

  constructor(
    readonly recording: Recording,
    root: string,
    readonly model: string,
  ) {
    this.run = join(root, 'run');
    this.config = configOf(model);
  }

  promise(update: number): void {
    this.promises.push({ after: this.recording.operations.length, update });
  }

  /** Trains; `dieIn` is the update in which the process dies, without closing anything. */
  async live({ path = this.run, resume = true, dieIn = Infinity } = {}): Promise<void> {
    const { disk } = this.recording;
    const run = await openRun({ config: this.config, family, path, resume, disk });
    const policy = run.resumed ? await DigitPolicy.load(run.modelFolder) : new DigitPolicy();
    let update = run.resumed?.state.progress.update ?? 0;
    policy.before = (verb) => {
      if (verb === 'update' && ++update === dieIn) throw new Error('killed');
    };
    const training = train({ config: this.config, policy, family, embedder: digitEmbedder, run: this.watch(run) });
    await training.catch((error: Error) => {
      if (error.message !== 'killed') throw error;
    });
    if (dieIn === Infinity) await run.close();
  }

  /** A checkpoint must survive from its write on, before an older one is deleted. */
  private watch(run: Run): Run {
    const remember = (update: number): void => {
      this.promise(update);
      run.retention.remember(update);
    };
    const prune: Run['retention']['prune'] = async (keep, protectedUpdates) => {
      await this.note();
      await run.retention.prune(keep, protectedUpdates);
    };
    return { ...run, retention: { remember, prune } };
  }

  private async note(): Promise<void> {
    const [newest] = await listCheckpoints(this.run);
    if (newest === undefined) throw new Error('a checkpoint was promised and is not there');
    const { sha256 } = await readManifest(this.recording.disk, newest.folder);
    const state = JSON.parse(await readFile(join(newest.folder, 'state.json'), 'utf8'));
    const lines = async (name: string, size: number): Promise<string> =>
      (await readFile(join(this.run, name))).subarray(0, size).toString();
    const metrics = await lines('metrics.jsonl', state.metricsBytes);
    const traces = await lines('traces.jsonl', state.tracesBytes);
    this.saved.set(sha256, [...(this.saved.get(sha256) ?? []), { metrics, traces }]);
  }

  /** Damages a checkpoint, so that the previous one must survive. */
  async damage(update: number): Promise<void> {
    this.promise(update - 1);
    const file = join(this.run, `checkpoint-${update}`, 'model.safetensors');
    const bytes = await readFile(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await this.recording.disk.write(file, bytes);
    await this.recording.disk.flush(file);
  }
}

export async function recordScenario(root: string): Promise<Scenario> {
  const model = join(root, 'model');
  await new DigitPolicy().save(model);
  const recording = recordDisk(root);
  const recorder = new Recorder(recording, root, model);
  await recorder.live({ resume: false, dieIn: 6 });
  await recorder.damage(5);
  await recorder.live({ dieIn: 11 });
  recorder.promise(9);
  await recorder.live({ path: join(recorder.run, 'checkpoint-9') });
  const { run, config, promises, saved } = recorder;
  return { ...recording, run, config, promises, saved };
}
