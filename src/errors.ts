/**
 * The errors that the package throws on purpose. Each has a stable `code` and named `fields`; `isInstance` recognises its
 * class, also across two copies of the package. A bad rollout is data, never an error.
 */

/** Named facts of an error, as JSON values. */
export type ErrorFields = Readonly<Record<string, unknown>>;

/** Registered, so that it is the same symbol in every copy of the package. Its value lists the error's class names. */
const kindsMarker = Symbol.for('exit-rl.error.kinds');

interface ErrorClass {
  readonly kind: string;
  readonly prototype: unknown;
}

/**
 * The base class of all errors that the package throws on purpose; `code` distinguishes them. Thrown as it is, it has the
 * code `CHILD_FAILED`: a process of `exit-rl demo` failed.
 *
 * @example
 * import { ExitRlError, parseConfig } from 'exit-rl';
 *
 * try {
 *   parseConfig({ task: 'code-breaker', model: 'base', groupSize: 0 });
 * } catch (error) {
 *   if (!ExitRlError.isInstance(error)) throw error;
 *   console.log(error.name, error.code, error.fields); // ConfigError CONFIG { problems: … }
 * }
 */
export class ExitRlError extends Error {
  static readonly kind: string = 'ExitRlError';
  /** Stable, in capitals. A subclass has exactly one code; `NativeError` and `ModelFolderError` have several. */
  readonly code: string;
  readonly fields: ErrorFields;

  constructor(code: string, message: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.kind;
    this.code = code;
    this.fields = fields;
    Object.defineProperty(this, kindsMarker, { value: kindsOf(new.target) });
  }

  /**
   * Returns true for an error of this class or of a subclass, whichever copy of the package created it.
   *
   * @example
   * import { LocalPolicy } from 'exit-rl';
   * import { ModelFolderError } from 'exit-rl/errors';
   *
   * try {
   *   await LocalPolicy.load('no-such-folder');
   * } catch (error) {
   *   if (!ModelFolderError.isInstance(error)) throw error;
   *   console.log(error.code, error.fields);
   * }
   */
  static isInstance<Class extends ErrorClass>(this: Class, error: unknown): error is Class['prototype'] {
    if (typeof error !== 'object' || error === null) return false;
    const kinds: unknown = Reflect.get(error, kindsMarker);
    // biome-ignore lint/complexity/noThisInStatic: every subclass asks for its own kind
    return Array.isArray(kinds) && kinds.includes(this.kind);
  }
}

/** The kinds of a class and its ancestors, most specific first. */
function kindsOf(errorClass: unknown): string[] {
  const kinds: string[] = [];
  for (let at = errorClass; typeof at === 'function' && 'kind' in at; at = Object.getPrototypeOf(at)) {
    kinds.push(String(at.kind));
  }
  return kinds;
}

/** An error whose class has one code. */
abstract class CodedError extends ExitRlError {
  static readonly code: string;

  constructor(message: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super(new.target.code, message, fields, options);
  }
}

/** One problem of a config: the dotted key, the problem, and the fix as `hint`. */
export interface ConfigProblem {
  readonly key: string;
  readonly message: string;
  readonly hint?: string;
  /** Where the value comes from: a flag as typed, an environment variable, a file, a recipe, or `default`. */
  readonly source?: string;
}

/** Code `CONFIG`. Lists all problems of a config at once, before any model loads. */
export class ConfigError extends ExitRlError {
  static override readonly kind = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  readonly file: string | undefined;

  constructor(problems: readonly ConfigProblem[], file?: string) {
    super('CONFIG', describeProblems(problems, file), { problems, file });
    this.problems = problems;
    this.file = file;
  }
}

/** Limits of the message; the error's `problems` holds all of them in full. */
const mostShown = { problems: 50, keyLength: 200 } as const;

function describeProblems(problems: readonly ConfigProblem[], file?: string): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const shown = problems.slice(0, mostShown.problems);
  const lines = shown.map(({ key, message, hint, source }) => {
    const name = key.length > mostShown.keyLength ? `${key.slice(0, mostShown.keyLength)}…` : key;
    // The file stands above its problems.
    const origin = file !== undefined && source?.startsWith(file) ? source.slice(file.length + 2) : source;
    return `  ${name}: ${message}${hint ? ` (${hint})` : ''}${origin ? ` [${origin}]` : ''}`;
  });
  const left = problems.length - shown.length;
  return [file ? `${file}: ${count}` : count, ...lines, ...(left > 0 ? [`  … and ${left} more`] : [])].join('\n');
}

/** One problem of a data file: the place, the problem, and the fix as `hint`. */
export interface DataProblem {
  readonly file: string;
  /** A line or a row; absent when the problem concerns the whole file. */
  readonly place?: string;
  readonly message: string;
  readonly hint?: string;
}

/** Code `DATA`. Data files cannot be read as rows; lists all problems at once, up to a limit. */
export class DataError extends ExitRlError {
  static override readonly kind = 'DataError';
  readonly problems: readonly DataProblem[];

  /** `more`: reading stopped at the limit, so there may be further problems. */
  constructor(problems: readonly DataProblem[], more = false) {
    const lines = problems.map(({ file, place, message, hint }) => {
      return `  ${file}${place ? `, ${place}` : ''}: ${message}${hint ? ` (${hint})` : ''}`;
    });
    const count = `${problems.length}${more ? ' or more' : ''} ${problems.length === 1 && !more ? 'problem' : 'problems'}`;
    super('DATA', [`data: ${count}`, ...lines].join('\n'), { problems });
    this.problems = problems;
  }
}

/** Code `TASK`. A task family breaks its contract, for example by a quality outside [0, 1]. */
export class TaskError extends CodedError {
  static override readonly kind = 'TaskError';
  static override readonly code = 'TASK';
}

/** Code `REWARD`. A reward function throws, or does not return a finite number or `null` for each rollout. */
export class RewardError extends CodedError {
  static override readonly kind: string = 'RewardError';
  static override readonly code: string = 'REWARD';
}

/** Code `REWARD_TIMEOUT`. A reward function took longer than its limit, `fields.seconds`. */
export class RewardTimeoutError extends RewardError {
  static override readonly kind = 'RewardTimeoutError';
  static override readonly code = 'REWARD_TIMEOUT';

  constructor(seconds: number) {
    super(`the reward function took longer than ${seconds} s`, { seconds });
  }
}

/** Code `CHAT_TEMPLATE`. A chat template is missing, cannot be rendered, or rejects the conversation; `fields.file` names it. */
export class ChatTemplateError extends CodedError {
  static override readonly kind = 'ChatTemplateError';
  static override readonly code = 'CHAT_TEMPLATE';
}

/** Code `HUB`. The model hub cannot be reached, refuses the request, or sends a file that differs from its listing. */
export class HubError extends CodedError {
  static override readonly kind = 'HubError';
  static override readonly code = 'HUB';
}

/** Code `CHECKPOINT_CORRUPT`. The files of a checkpoint do not match its manifest. */
export class CheckpointCorruptError extends CodedError {
  static override readonly kind = 'CheckpointCorruptError';
  static override readonly code = 'CHECKPOINT_CORRUPT';
}

/** Code `RUN_FOLDER`. A run folder cannot be read or written, is in use, or belongs to another run. */
export class RunFolderError extends CodedError {
  static override readonly kind = 'RunFolderError';
  static override readonly code = 'RUN_FOLDER';
}

/** Code `USAGE`. A command has wrong arguments; the process ends with exit code 2. */
export class UsageError extends CodedError {
  static override readonly kind = 'UsageError';
  static override readonly code = 'USAGE';
}

/**
 * An error of the native core, with the engine's `code` and `fields`. Codes without a subclass: `IO`, `TORCH`,
 * `QUEUE_FULL`, `PANIC`, and `ADDON_MISSING`, `ADDON_LOAD`, `LIBTORCH` when the core cannot be loaded.
 */
export class NativeError extends ExitRlError {
  static override readonly kind: string = 'NativeError';
}

/**
 * A model folder is missing, incomplete or unreadable, or the engine does not support its architecture. Codes
 * `MODEL_FILE_MISSING`, `MODEL_FILE`, `MODEL_UNSUPPORTED`, `WEIGHT_MISSING`, `WEIGHT_SHAPE`, `WEIGHT_NOT_FINITE`.
 */
export class ModelFolderError extends NativeError {
  static override readonly kind = 'ModelFolderError';
}

/** Code `TOKENIZER`. A tokenizer fails on a text or on ids, or takes too long; `fields.file` names its file. */
export class TokenizerError extends NativeError {
  static override readonly kind = 'TokenizerError';
}

/** Code `DEVICE`. The requested device cannot be used. */
export class DeviceError extends NativeError {
  static override readonly kind = 'DeviceError';
}

/** Code `INVALID_REQUEST`. An argument or option is missing, unknown, or has an invalid value; `fields.key` names it. */
export class InvalidRequestError extends NativeError {
  static override readonly kind = 'InvalidRequestError';
}

/** Code `PROMPT_TOO_LONG`. A prompt leaves no room for an answer in the model's context. */
export class PromptTooLongError extends NativeError {
  static override readonly kind = 'PromptTooLongError';
}

/** Code `NON_FINITE`. A value is NaN or infinite; the weights are unchanged. */
export class NonFiniteError extends NativeError {
  static override readonly kind = 'NonFiniteError';
}

/** Code `OUT_OF_MEMORY`. The host or the device has too little memory for a model, a batch or a copy. */
export class OutOfMemoryError extends NativeError {
  static override readonly kind = 'OutOfMemoryError';
}

/** Code `CANCELLED`. The caller's AbortSignal ended the work. */
export class CancelledError extends NativeError {
  static override readonly kind = 'CancelledError';
  constructor(code = 'CANCELLED', message = 'cancelled', fields: ErrorFields = {}, options?: ErrorOptions) {
    super(code, message, fields, options);
  }
}

/** Code `CLOSED`. A policy or an embedder was used after `close`. */
export class PolicyClosedError extends NativeError {
  static override readonly kind = 'PolicyClosedError';
}

const nativeClasses: Readonly<Record<string, typeof NativeError>> = {
  MODEL_FILE_MISSING: ModelFolderError,
  MODEL_FILE: ModelFolderError,
  MODEL_UNSUPPORTED: ModelFolderError,
  WEIGHT_MISSING: ModelFolderError,
  WEIGHT_SHAPE: ModelFolderError,
  WEIGHT_NOT_FINITE: ModelFolderError,
  TOKENIZER: TokenizerError,
  DEVICE: DeviceError,
  INVALID_REQUEST: InvalidRequestError,
  PROMPT_TOO_LONG: PromptTooLongError,
  NON_FINITE: NonFiniteError,
  OUT_OF_MEMORY: OutOfMemoryError,
  CANCELLED: CancelledError,
  CLOSED: PolicyClosedError,
};

/**
 * Creates the error of a native code in its class; a code without a class becomes a plain `NativeError`.
 *
 * @example
 * import { nativeError } from 'exit-rl/errors';
 *
 * console.log(nativeError('OUT_OF_MEMORY', 'no memory for the weights').name); // OutOfMemoryError
 */
export function nativeError(code: string, message: string, fields: ErrorFields = {}): NativeError {
  const errorClass = nativeClasses[code] ?? NativeError;
  return new errorClass(code, message, fields);
}
