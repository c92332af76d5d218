/**
 * Saves a run while training goes on: the policy is copied to host memory, which is the pause, and written from there.
 * One save is under way at a time; the next one waits for it, and so does the end.
 */
import type { CurriculumState } from '../method/curriculum.js';
import type { CheckpointSettings } from '../method/settings.js';
import type { Policy, PolicySnapshot } from '../policy/policy.js';
import { writeCheckpoint } from './checkpoint.js';
import { currentVersions, hashValue } from './identity.js';
import type { Run } from './run.js';
import { type Progress, serialiseState, stateName } from './state.js';

export interface SavedState {
  readonly progress: Readonly<Progress>;
  readonly curriculum: CurriculumState;
}

export interface Saver {
  /** Copies the state as it is now, unless this update is saved already; with asynchronous saving the writing goes on after this returns. */
  save(state: SavedState): Promise<void>;
  /** @throws RunFolderError when the save under way has failed. */
  check(): void;
  /** Waits for the save under way. Returns the folder of the last checkpoint; undefined when there is none. */
  finish(): Promise<string | undefined>;
}

export interface SaverOptions {
  readonly run: Run;
  readonly policy: Pick<Policy, 'snapshot'>;
  readonly settings: CheckpointSettings;
  /** Updates whose checkpoints are kept however old they are, asked for when a save begins. */
  readonly protect?: () => readonly number[];
  /** Seconds that a save may hold up the next one before that is said. */
  readonly patienceSeconds?: number;
}

/** What a checkpoint holds, taken at one moment. */
interface Taken {
  readonly update: number;
  readonly snapshot: PolicySnapshot;
  /** state.json. */
  readonly text: string;
  readonly protectedUpdates: readonly number[];
}

async function take({ run, policy, settings, protect }: SaverOptions, state: SavedState): Promise<Taken> {
  const { folder, identity } = run;
  const sizes = { metricsBytes: folder.metrics.size, tracesBytes: folder.traces.size };
  const text = serialiseState({ ...state, identity, ...sizes });
  const protectedUpdates = protect?.() ?? [];
  // Training waits for a synchronous save: a copy would only take memory.
  const snapshot = await policy.snapshot({ copy: settings.asynchronous });
  return { update: state.progress.update, snapshot, text, protectedUpdates };
}

/** Lines first: a checkpoint never knows more of metrics and traces than is on the disk. */
async function write({ run, settings }: SaverOptions, taken: Taken): Promise<string> {
  const { folder, identity, retention } = run;
  await folder.metrics.flush();
  await folder.traces.flush();
  await folder.events?.flush();
  const saved = await writeCheckpoint({
    disk: folder.disk,
    run: folder.path,
    update: taken.update,
    configHash: hashValue(identity.config),
    modelFingerprint: identity.model,
    versions: currentVersions(),
    write: (to) => taken.snapshot.write(to),
    texts: { [stateName]: taken.text },
  });
  retention.remember(taken.update);
  await retention.prune(settings.keep, taken.protectedUpdates);
  return saved;
}

export function createSaver(options: SaverOptions): Saver {
  const { run, settings, patienceSeconds = 60 } = options;
  let last = run.resumed?.checkpoint;
  const resumed = run.resumed?.state.progress;
  // What lacks its evaluation is saved again with it.
  let lastUpdate = resumed?.unevaluated ? undefined : resumed?.update;
  let underWay: Promise<string> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const settle = async (): Promise<void> => {
    if (underWay === undefined) return;
    const slow = (): void =>
      run.warn(
        `training waits for a checkpoint that has been written for over ${patienceSeconds} s: is the disk slow?`,
      );
    const timer = setTimeout(slow, patienceSeconds * 1000);
    try {
      last = await underWay;
    } finally {
      clearTimeout(timer);
      underWay = undefined;
      failure = undefined;
    }
  };

  return {
    async save(state) {
      await settle();
      // The end of training often is where the last checkpoint was due.
      if (state.progress.update === lastUpdate) return;
      const taken = await take(options, state);
      lastUpdate = taken.update;
      underWay = write(options, taken);
      underWay.catch((error: unknown) => {
        failure = { error };
      });
      if (!settings.asynchronous) await settle();
    },
    check() {
      if (failure) throw failure.error;
    },
    async finish() {
      await settle();
      return last;
    },
  };
}
