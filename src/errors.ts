/**
 * Every error that the product throws on purpose: a stable `code`, named `fields`, and a class that a caller can
 * test with `isInstance`, also across two copies of the package. A bad rollout is never one of these: it is data.
 */

/** Named facts of an error, as JSON values. */
export type ErrorFields = Readonly<Record<string, unknown>>;

/** Registered, so that it is the same symbol in every copy of the package. Its value lists the error's class names. */
const kindsMarker = Symbol.for('exit-rl.error.kinds');

interface ErrorClass {
  readonly kind: string;
  readonly prototype: unknown;
}

/** The base of all errors that the product throws on purpose. */
export class ExitRlError extends Error {
  static readonly kind: string = 'ExitError';
  /** Stable, in capitals; a class of its own has one code. */
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
   * True for errors of this class and of its subclasses, whichever copy of the package made them.
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

/** One thing that is wrong in a config: the dotted key, what is wrong, and what to write instead. */
export interface ConfigProblem {
  readonly key: string;
  readonly message: string;
  readonly hint?: string;
}

/** All problems of a config at once, before any model loads. */
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

/** Limits of the message; `problems` of the error holds the rest. */
const mostShown = { problems: 50, keyLength: 200 } as const;

function describeProblems(problems: readonly ConfigProblem[], file?: string): string {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const shown = problems.slice(0, mostShown.problems);
  const lines = shown.map(({ key, message, hint }) => {
    const name = key.length > mostShown.keyLength ? `${key.slice(0, mostShown.keyLength)}…` : key;
    return `  ${name}: ${message}${hint ? ` (${hint})` : ''}`;
  });
  const left = problems.length - shown.length;
  return [file ? `${file}: ${count}` : count, ...lines, ...(left > 0 ? [`  … and ${left} more`] : [])].join('\n');
}

/** One thing that is wrong in a data file: where, what, and what to do about it. */
export interface DataProblem {
  readonly file: string;
  /** A line, or a row; absent where the whole file is meant. */
  readonly place?: string;
  readonly message: string;
  readonly hint?: string;
}

/** Data files that cannot be read as rows; all problems at once, up to a limit. */
export class DataError extends ExitRlError {
  static override readonly kind = 'DataError';
  readonly problems: readonly DataProblem[];

  /** `more`: reading stopped at the limit, so there may be others. */
  constructor(problems: readonly DataProblem[], more = false) {
    const lines = problems.map(({ file, place, message, hint }) => {
      return `  ${file}${place ? `, ${place}` : ''}: ${message}${hint ? ` (${hint})` : ''}`;
    });
    const count = `${problems.length}${more ? ' or more' : ''} ${problems.length === 1 && !more ? 'problem' : 'problems'}`;
    super('DATA', [`data: ${count}`, ...lines].join('\n'), { problems });
    this.problems = problems;
  }
}

/** A task family that breaks its contract, for example a quality outside [0, 1]. */
export class TaskError extends CodedError {
  static override readonly kind = 'TaskError';
  static override readonly code = 'TASK';
}

/** A reward function that throws, or returns what is not a finite number for each rollout. */
export class RewardError extends CodedError {
  static override readonly kind: string = 'RewardError';
  static override readonly code: string = 'REWARD';
}

/** A reward function that took longer than its limit. */
export class RewardTimeoutError extends RewardError {
  static override readonly kind = 'RewardTimeoutError';
  static override readonly code = 'REWARD_TIMEOUT';

  constructor(seconds: number) {
    super(`the reward function took longer than ${seconds} s`, { seconds });
  }
}

/** A chat template that is missing, cannot be rendered, or refuses the conversation; `fields.file` names it. */
export class ChatTemplateError extends CodedError {
  static override readonly kind = 'ChatTemplateError';
  static override readonly code = 'CHAT_TEMPLATE';
}

/** The model hub cannot be reached, refuses, or sends what is not what it lists. */
export class HubError extends CodedError {
  static override readonly kind = 'HubError';
  static override readonly code = 'HUB';
}

/** A checkpoint whose files do not match its manifest. */
export class CheckpointCorruptError extends CodedError {
  static override readonly kind = 'CheckpointCorruptError';
  static override readonly code = 'CHECKPOINT_CORRUPT';
}

/** A run folder that cannot be written, is in use, or belongs to another run. */
export class RunFolderError extends CodedError {
  static override readonly kind = 'RunFolderError';
  static override readonly code = 'RUN_FOLDER';
}

/** Wrong use of a command; the process ends with exit code 2. */
export class UsageError extends CodedError {
  static override readonly kind = 'UsageError';
  static override readonly code = 'USAGE';
}

/** An error of the native core. `code` is the engine's own, `fields` its named facts. */
export class NativeError extends ExitRlError {
  static override readonly kind: string = 'NativeError';
}

/** A model folder that is missing, incomplete, unreadable, or of a family that cannot be computed. */
export class ModelFolderError extends NativeError {
  static override readonly kind = 'ModelFolderError';
}

/** A tokenizer that fails on a text or on ids, or takes too long; `fields.file` names its file. */
export class TokenizerError extends NativeError {
  static override readonly kind = 'TokenizerError';
}

/** A device that was asked for and cannot be used. */
export class DeviceError extends NativeError {
  static override readonly kind = 'DeviceError';
}

/** A request or an option that is missing, unknown, or has a value that is refused; `fields.key` names it. */
export class InvalidRequestError extends NativeError {
  static override readonly kind = 'InvalidRequestError';
}

/** A prompt that leaves no room for an answer in the model's context. */
export class PromptTooLongError extends NativeError {
  static override readonly kind = 'PromptTooLongError';
}

/** NaN or infinity where a number was due; the weights were left as they were. */
export class NonFiniteError extends NativeError {
  static override readonly kind = 'NonFiniteError';
}

/** Memory of the host or the device that is not there for a model, a batch or a copy. */
export class OutOfMemoryError extends NativeError {
  static override readonly kind = 'OutOfMemoryError';
}

/** The caller's AbortSignal ended the work. */
export class CancelledError extends NativeError {
  static override readonly kind = 'CancelledError';
  constructor(code = 'CANCELLED', message = 'cancelled', fields: ErrorFields = {}, options?: ErrorOptions) {
    super(code, message, fields, options);
  }
}

/** Use of a policy after `close`. */
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
 * The error of a native code in its class; a code without a class of its own becomes a plain `NativeError`.
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
