/**
 * Recognises what other trainers leave, and says how its model begins a run here. Their training state is not read: most of
 * it is pickles, and reading a pickle can run code.
 */
import { basename, join } from 'node:path';
import type { RunFolderError } from '../errors.js';
import { checkpointUpdate } from './checkpoint-folders.js';
import { type Disk, onDisk, runFolderError } from './disk.js';
import { isAdapter, isModel } from './folder-kind.js';

/** A file or folder that a program leaves, and how to make a model folder of its checkpoint. */
interface Program {
  readonly name: string;
  readonly leaves: RegExp;
  readonly conversion: string;
}

const savePretrained = 'save the model as safetensors (transformers: save_pretrained(FOLDER))';

/** The most telling names first: those of verl's and DeepSpeed's folders lie beside the Trainer's. */
const programs: readonly Program[] = [
  {
    name: 'verl',
    leaves:
      /^(latest_checkpointed_iteration\.txt|global_step_\d+|(model|optim|extra_state)_world_size_\d+_rank_\d+\.pt)$/,
    conversion:
      'merge its shards (python -m verl.model_merger merge --backend fsdp --local_dir global_step_N/actor --target_dir FOLDER)',
  },
  {
    name: 'DeepSpeed',
    leaves: /^(zero_to_fp32\.py|global_step\d+|(bf16_)?zero_pp_rank_.*\.pt|mp_rank_\d+_model_states\.pt)$/,
    conversion: 'merge its shards (python zero_to_fp32.py . FOLDER --safe_serialization)',
  },
  {
    name: 'prime-rl',
    leaves: /^step_\d+$/,
    conversion: 'name the folder of its weights, weights/step_N',
  },
  {
    name: "transformers' Trainer (TRL, Unsloth)",
    leaves: /^(trainer_state\.json|training_args\.bin|optimizer\.(pt|bin)|scheduler\.pt|rng_state(_\d+)?\.pth)$/,
    conversion: savePretrained,
  },
  {
    name: 'PyTorch FSDP',
    leaves: /^(\.metadata|.*\.distcp|pytorch_model_fsdp(_\d+)?)$/,
    conversion: 'merge its shards (accelerate merge-weights CHECKPOINT FOLDER)',
  },
];

const pickle = /\.(bin|pt|pth|pkl|pickle|ckpt)$/;

/** Whether reading a file of this name could run code. */
export const isPickle = (name: string): boolean => pickle.test(name);

interface Place {
  readonly folder: string;
  readonly names: readonly string[];
}

/** Subfolders in which a trainer keeps a checkpoint, the newest first. */
function checkpointFolders(names: readonly string[]): string[] {
  const numbered = names.filter((name) => /^(checkpoint-|global_step_?|step_)\d+$/.test(name));
  const number = (name: string): number => Number(/\d+$/.exec(name)?.[0]);
  return numbered.sort((left, right) => number(right) - number(left));
}

/** The folder and, where it holds checkpoints, the newest of them; prime-rl keeps its models in `weights`. */
async function places(disk: Disk, path: string): Promise<Place[]> {
  const list = async (folder: string): Promise<Place> => ({
    folder,
    names: await onDisk(folder, () => disk.list(folder)).catch(() => []),
  });
  const top = await list(path);
  const [newest] = checkpointFolders(top.names);
  if (newest !== undefined) return [top, await list(join(path, newest))];
  if (!top.names.includes('weights')) return [top];
  const weights = await list(join(path, 'weights'));
  const [step] = checkpointFolders(weights.names);
  return step === undefined ? [top] : [top, weights, await list(join(weights.folder, step))];
}

interface Foreign {
  /** Absent for a pickle that tells of no program. */
  readonly program: string | undefined;
  /** The name that tells. */
  readonly evidence: string;
  readonly conversion: string;
  /** A folder of it that can be a run's model as it is. */
  readonly model: string | undefined;
}

/** Finds what another program left at `path`; undefined when nothing tells of one. */
async function findForeign(disk: Disk, path: string): Promise<Foreign | undefined> {
  const found = await places(disk, path);
  const names = found.flatMap((place) => place.names);
  const model = found.find((place) => isModel(place.names) || isAdapter(place.names))?.folder;
  for (const { name: program, leaves, conversion } of programs) {
    const left = names.filter((name) => leaves.test(name));
    const evidence = left.find(isPickle) ?? left[0];
    if (evidence !== undefined) return { program, evidence, conversion, model };
  }
  const unsafe = names.find(isPickle);
  return unsafe === undefined ? undefined : { program: undefined, evidence: unsafe, conversion: savePretrained, model };
}

/** Describes what another trainer left at `path`, and the way to use its model; undefined for any other folder. */
export async function describeForeign(
  disk: Disk,
  path: string,
): Promise<{ readonly problem: string; readonly fix: string } | undefined> {
  const foreign = await findForeign(disk, path);
  if (foreign === undefined) return undefined;
  const { program, evidence, conversion, model } = foreign;
  const kind = checkpointUpdate(basename(path)) === undefined ? 'folder' : 'checkpoint';
  const whose = program === undefined ? `another program's ${kind}` : `another program's ${kind}, of ${program}`;
  const danger = isPickle(evidence) ? 'is a pickle, which is never read: it may run code' : 'is its file';
  const begin =
    model === undefined
      ? `${conversion} and begin a new run with --model FOLDER`
      : `begin a new run with --model ${model}`;
  return { problem: `is ${whose}: ${evidence} ${danger}`, fix: `its training cannot be continued here; ${begin}` };
}

/** The error for a folder that another trainer left; undefined for any other folder. */
export async function foreignFolder(disk: Disk, path: string): Promise<RunFolderError | undefined> {
  const found = await describeForeign(disk, path);
  return found && runFolderError(path, found.problem, found.fix);
}
