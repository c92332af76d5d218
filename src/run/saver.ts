/**
 * Saves a run during training: training pauses while the policy is copied to host memory, and continues while the copy is
 * written. One save runs at a time; the next save and the end of training wait for it.
 */

import type { RunConfig } from '../config/parse.js';
import type { CurriculumState } from '../method/curriculum.js';
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
  /** Copies and writes the present state, unless this update is saved; an asynchronous save returns before it is written. */
  save(state: SavedState): Promise<void>;
  /** @throws RunFolderError when the running save has failed. */
  check(): void;
  /** Waits for the running save. Returns the folder of the last checkpoint; undefined when there is none. */
  finish(): Promise<string | undefined>;
}

export interface SaverOptions {
  readonly run: Run;
  readonly policy: Pick<Policy, 'snapshot'>;
  readonly settings: RunConfig['checkpoint'];
  /** Updates whose checkpoints retention keeps; called when a save begins. */
  readonly protect?: () => readonly number[];
  /** Seconds that a save may delay the next one before the run warns. */
  readonly patienceSeconds?: number;
}

/** The content of a checkpoint, captured at one moment. */
interface Captured {
  readonly update: number;
  readonly snapshot: PolicySnapshot;
  /** Text of state.json. */
  readonly text: string;
  readonly protectedUpdates: readonly number[];
}

async function capture({ run, policy, settings, protect }: SaverOptions, state: SavedState): Promise<Captured> {
  const { folder, identity } = run;
  const sizes = { metricsBytes: folder.metrics.size, tracesBytes: folder.traces.size };
  const text = serialiseState({ ...state, identity, ...sizes });
  const protectedUpdates = protect?.() ?? [];
  // Training waits for a synchronous save, so a copy would only cost memory.
  const snapshot = await policy.snapshot({ copy: settings.asynchronous });
  return { update: state.progress.update, snapshot, text, protectedUpdates };
}

/** Flushes the lines first: a checkpoint never records more of metrics and traces than the disk holds. */
async function write({ run, settings }: SaverOptions, captured: Captured): Promise<string> {
  const { folder, identity, retention } = run;
  await folder.metrics.flush();
  await folder.traces.flush();
  await folder.events?.flush();
  const saved = await writeCheckpoint({
    disk: folder.disk,
    run: folder.path,
    update: captured.update,
    configHash: hashValue(identity.config),
    modelFingerprint: identity.model,
    versions: currentVersions(),
    write: (to) => captured.snapshot.write(to),
    texts: { [stateName]: captured.text },
  });
  retention.remember(captured.update);
  await retention.prune(settings.keep, captured.protectedUpdates);
  return saved;
}

/** Creates the saver of a run, which knows the checkpoint that the run resumed from. */
export function createSaver(options: SaverOptions): Saver {
  const { run, settings, patienceSeconds = 60 } = options;
  let last = run.resumed?.checkpoint;
  const resumed = run.resumed?.state.progress;
  // A resumed update whose evaluation was interrupted is saved again with it.
  let lastUpdate = resumed?.unevaluated ? undefined : resumed?.update;
  let running: Promise<string> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const settle = async (): Promise<void> => {
    if (running === undefined) return;
    const warnSlow = (): void =>
      run.warn(
        `training waits for a checkpoint that has been written for over ${patienceSeconds} s: is the disk slow?`,
      );
    const timer = setTimeout(warnSlow, patienceSeconds * 1000);
    try {
      last = await running;
    } finally {
      clearTimeout(timer);
      running = undefined;
      failure = undefined;
    }
  };

  return {
    async save(state) {
      await settle();
      // The last update often is one after which a checkpoint was due.
      if (state.progress.update === lastUpdate) return;
      const captured = await capture(options, state);
      lastUpdate = captured.update;
      running = write(options, captured);
      running.catch((error: unknown) => {
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
