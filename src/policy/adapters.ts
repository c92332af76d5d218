/** Adapters (LoRA): the options of training one in place of the weights, and merging it into them. */
import {
  callback,
  chosenBy,
  type Fields,
  flag,
  listOf,
  number,
  oneOf,
  recordOf,
  required,
  requireFields,
  text,
  wholeNumber,
} from '../arguments.js';
import { findModel } from '../disk/model-source.js';
import { InvalidRequestError } from '../errors.js';
import { crossing, type NativeLora, native } from '../native.js';
import { type OnNotice, passNotices } from '../notices.js';

/** An adapter to train, in PEFT's terms. */
export interface LoraOptions {
  /** r: rows of A and columns of B. */
  readonly rank: number;
  /** The adapter's difference is scaled by alpha/rank, or alpha/√rank with `rankStabilised`. */
  readonly alpha: number;
  /** Dropout probability of the adapter's inputs during training, in [0, 1); default 0. */
  readonly dropout?: number;
  /** Names of the linear modules to adapt; by default all except the head. */
  readonly targetModules?: 'all-linear' | readonly string[];
  /** Scales by alpha/√rank (rsLoRA); default false. */
  readonly rankStabilised?: boolean;
  /** Trains the magnitude of every row apart from its direction (DoRA, arXiv 2402.09353); default false. */
  readonly dora?: boolean;
  /** Ranks of some modules in place of `rank`, by a regular expression for the path or its end, as in PEFT. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** Alphas of some modules in place of `alpha`, by patterns as those of `rankPattern`. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /**
   * Modules that are trained in full beside the adapter: `embed_tokens`, `lm_head`, `norm` or longer ends of paths; default
   * none. Where the head is tied, `embed_tokens` is both.
   */
  readonly modulesToSave?: readonly string[];
  /** Seeds the initial A and every dropout mask; default 0. */
  readonly seed?: number;
}

const allLinear = oneOf('all-linear');

/** The kinds of the options, to check those that a caller passes. */
export const loraFields: Fields<LoraOptions> = {
  rank: required(wholeNumber),
  alpha: required(number),
  dropout: number,
  targetModules: chosenBy("'all-linear' or a list of module names", (value) =>
    Array.isArray(value) ? listOf(text) : allLinear.fits(value) ? allLinear : undefined,
  ),
  rankStabilised: flag,
  dora: flag,
  rankPattern: recordOf(wholeNumber),
  alphaPattern: recordOf(number),
  modulesToSave: listOf(text),
  seed: wholeNumber,
};

/** Fills in the defaults and converts the options for the engine. */
export function nativeLora({
  rank,
  alpha,
  dropout = 0,
  targetModules,
  rankStabilised = false,
  dora = false,
  rankPattern = {},
  alphaPattern = {},
  modulesToSave = [],
  seed = 0,
}: LoraOptions): NativeLora {
  const named = targetModules === undefined || targetModules === 'all-linear' ? undefined : [...targetModules];
  const patterns = { rankPattern: { ...rankPattern }, alphaPattern: { ...alphaPattern } };
  const settings = { rank, alpha, dropout, rankStabilised, dora, ...patterns, modulesToSave: [...modulesToSave], seed };
  return { ...settings, ...(named && { targetModules: named }) };
}

/** The parts of a merge. */
export interface MergeRequest {
  /** The base model; without `adapter`, an adapter whose base is merged with it. */
  readonly model: string;
  /** PEFT folder, or a run with `lora`. */
  readonly adapter?: string;
  /** The folder of the merged model; it must not hold a model yet. */
  readonly out: string;
  /** Receives a line for what the folders hold and nobody reads; by default each is written to standard error once. */
  readonly onNotice?: OnNotice;
}

const mergeFields: Fields<MergeRequest> = {
  model: required(text),
  adapter: text,
  out: required(text),
  onNotice: callback,
};

/**
 * Writes a model folder with W = W₀ + s·B·A, s = alpha/rank (or alpha/√rank), in the precision and the shards of the
 * base. It holds one weight in memory at a time.
 *
 * @returns the number of adapted weights.
 * @throws InvalidRequestError for a key that is missing, unknown, or of the wrong type, and for a model without an adapter;
 * ModelFolderError; NativeError `IO`.
 * @example
 * import { LocalPolicy, shippedModel } from 'exit-rl';
 * import { mergeAdapter } from 'exit-rl/policy';
 *
 * const model = shippedModel('tiny');
 * const policy = await LocalPolicy.load(model, { lora: { rank: 4, alpha: 8 } });
 * await policy.save('adapter');
 * await policy.close();
 * console.log(await mergeAdapter({ model, adapter: 'adapter', out: 'merged' }));
 */
export async function mergeAdapter(request: MergeRequest): Promise<number> {
  requireFields<MergeRequest>('mergeAdapter', request, mergeFields);
  const { folder, adapter } = await findModel(request.model, request.adapter);
  if (adapter === undefined) {
    const reason = `is missing, and \`${request.model}\` is not an adapter: name the adapter's folder`;
    throw new InvalidRequestError('INVALID_REQUEST', `mergeAdapter: \`adapter\`: ${reason}`, {
      key: 'adapter',
      reason,
    });
  }
  const { weights, notices } = await crossing(() => native('cpu').mergeAdapter(folder, adapter, request.out));
  passNotices(notices, request.onNotice);
  return weights;
}
