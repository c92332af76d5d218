/** Loads the addon, and translates its failures into our error classes. No other file does either. */
import { setMaxListeners } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type * as Binding from '../binding.js';
import { CancelledError, DeviceError, InvalidRequestError, NativeError, nativeError } from './errors.js';
import { chooseLibtorch, findLibtorch, hasNvidiaDriver, type LibtorchCandidate, packageRoot } from './libtorch.js';
import { requireWorkingFolder } from './working-folder.js';

export type {
  EmbedderInfo,
  EmbedderOptions,
  EngineInfo,
  LoadOptions,
  LoraOptions as NativeLora,
  MemoryEstimate,
  NativeAddedToken,
  NativeBatch,
  NativeEmbedder,
  NativeGenerated,
  NativeGenerateRequest,
  NativePolicy,
  NativeRendered,
  NativeStreamed,
  NativeTokenizer,
  NgramOptions,
  PolicyInfo,
  PolicyStats,
  Ragged,
} from '../binding.js';

export type NativeModule = typeof Binding;

interface Loaded {
  readonly binding: NativeModule;
  readonly libtorch: LibtorchCandidate;
  readonly withCuda: boolean;
}

let loaded: Loaded | undefined;

/** Finds the addon's file; undefined when it was not built for this platform. */
export function addonFile(): string | undefined {
  const root = packageRoot();
  const name = readdirSync(root).find((file) => file.startsWith(`binding.${process.platform}-${process.arch}`));
  return name === undefined ? undefined : join(root, name);
}

/** Lists every libtorch that could serve `device`, in order of preference, with the reason for each. */
export function libtorchCandidates(device = 'auto'): readonly LibtorchCandidate[] {
  const builtIn = join(packageRoot(), 'libtorch');
  return findLibtorch({ environment: process.env, device, builtIn, nvidiaDriver: hasNvidiaDriver() });
}

/**
 * Returns the addon, which the first call loads; the `device` of that call decides whether CUDA is loaded too.
 * @throws NativeError `ADDON_MISSING`, `LIBTORCH`, `ADDON_LOAD`; DeviceError when a later call requests CUDA.
 */
export function native(device?: string): NativeModule {
  loaded ??= load(device ?? 'auto');
  if (device?.startsWith('cuda') && !loaded.withCuda) throw missingCuda(device, loaded.libtorch);
  return loaded.binding;
}

/** Returns the libtorch in use; undefined before the addon is loaded. */
export function loadedLibtorch(): LibtorchCandidate | undefined {
  return loaded?.libtorch;
}

function missingCuda(device: string, libtorch: LibtorchCandidate): DeviceError {
  const reason = libtorch.cuda
    ? 'this process loaded libtorch for the CPU first; load the CUDA policy before any other'
    : 'no CUDA build of libtorch was found; `exit-rl doctor` lists the places it searched';
  return new DeviceError('DEVICE', `device \`${device}\` cannot be used: ${reason}`, { device, reason, libtorch });
}

/**
 * The addon's file and the libtorch that it would load, found without loading them.
 * @throws NativeError `ADDON_MISSING` or `LIBTORCH`, with the command that mends it.
 */
export function findNative(device = 'auto'): { readonly file: string; readonly libtorch: LibtorchCandidate } {
  const file = addonFile();
  if (file === undefined) {
    const where = { platform: process.platform, arch: process.arch, folder: packageRoot() };
    const message = `${where.folder} holds no native addon for ${where.platform}-${where.arch}; ${buildAdvice()}`;
    throw new NativeError('ADDON_MISSING', message, where);
  }
  return { file, libtorch: chooseLibtorch(libtorchCandidates(device)) };
}

/** A checkout builds its addon; an installed package cannot. */
function buildAdvice(): string {
  if (existsSync(join(packageRoot(), 'scripts', 'setup.mjs'))) return 'run `npm run build`';
  return 'build it in a checkout of exit-rl (`npm run build`) and install that: `npm install PATH_OF_THE_CHECKOUT`';
}

function load(device: string): Loaded {
  // Intel's MKL ends the process where there is no working directory.
  requireWorkingFolder();
  const { file, libtorch } = findNative(device);
  if (libtorch.source !== 'built-in') preload(join(libtorch.folder, 'lib', 'libtorch_cpu.so'));
  const binding = requireBinding(file);
  const withCuda = device !== 'cpu' && libtorch.cuda;
  if (withCuda) crossingNow(() => binding.loadCuda(join(libtorch.folder, 'lib', 'libtorch_cuda.so')));
  // The engine thread must end before the process exits. A worker's exit must not end the shared engine.
  if (isMainThread) process.once('exit', () => binding.shutdown());
  return { binding, libtorch, withCuda };
}

/**
 * Maps a library, so that the addon's dependency of the same name resolves to it. Node throws, because the library is no
 * addon, but glibc keeps the mapping: the library has unique symbols.
 */
function preload(library: string): void {
  try {
    process.dlopen({ exports: {} }, library);
  } catch (error) {
    const message = firstLine(error);
    if (!message.includes('did not self-register')) throw loadFailure(library, message, error);
  }
}

function requireBinding(file: string): NativeModule {
  try {
    return createRequire(import.meta.url)(join(packageRoot(), 'binding.cjs')) as NativeModule;
  } catch (error) {
    throw loadFailure(file, rootMessage(error), error);
  }
}

function loadFailure(file: string, reason: string, cause: unknown): NativeError {
  const message = `the native addon cannot be loaded (${reason}); ${buildAdvice()}, then run \`exit-rl doctor\``;
  return new NativeError('ADDON_LOAD', message, { file, reason }, { cause });
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';

/** Finds the relevant failure: the generated loader tries many names, and the system's linker reports the cause of one. */
function rootMessage(error: unknown): string {
  const messages: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) messages.push(firstLine(at));
  return messages.find((message) => /\.so|\.node:|symbol|GLIBC/.test(message)) ?? messages[0] ?? String(error);
}

/** The statuses with which the border refuses a value of the wrong type. */
const conversionStatuses =
  /^(InvalidArg|(Object|String|Name|Function|Number|Boolean|Array|Bigint|Date|ArrayBuffer)Expected)$/;

/** A value that the border cannot convert: its message names the type and, where known, the key. */
function conversionError(error: Error): unknown {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !conversionStatuses.test(code)) return error;
  const message = `the request does not fit the engine: ${error.message}`;
  const [, key] = /(?: on \w+\.|field `)(\w+)/.exec(error.message) ?? [];
  const fields = { reason: error.message, ...(key !== undefined && { key }) };
  return new InvalidRequestError('INVALID_REQUEST', message, fields, { cause: error });
}

/** A rejection's message is JSON: code, message, fields. Anything else stays as it is. */
export function translateError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (!error.message.startsWith('{')) return conversionError(error);
  try {
    // The conversion of an object appends the field in which it failed.
    const { code, message, fields } = JSON.parse(error.message.slice(0, error.message.lastIndexOf('}') + 1));
    return typeof code === 'string' ? nativeError(code, message, fields ?? {}) : error;
  } catch {
    return error;
  }
}

/** Awaits a native call and rethrows its failure as one of our error classes. */
export async function crossing<Value>(call: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    throw translateError(error);
  }
}

/** Like `crossing`, for synchronous calls. */
export function crossingNow<Value>(call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw translateError(error);
  }
}

let tickets = 0;

/**
 * Like `crossing`, for a call that `signal` can cancel: the engine checks the ticket before every step.
 * @throws CancelledError.
 */
export async function cancellable<Value>(
  signal: AbortSignal | undefined,
  call: (ticket: number) => Promise<Value>,
): Promise<Value> {
  if (signal?.aborted) throw new CancelledError();
  const ticket = ++tickets;
  const cancel = (): void => native().cancel(ticket);
  // One signal cancels all requests in flight, so many listeners do not indicate a leak.
  if (signal) setMaxListeners(0, signal);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await call(ticket);
  } catch (error) {
    throw translateError(error);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** The precision of weights and computation; `auto` is float32 on the CPU and bfloat16 elsewhere. */
export type Dtype = 'auto' | 'float32' | 'bfloat16';

const dtypeNames = { float32: 'fp32', bfloat16: 'bf16' } as const;

/** Returns the engine's name of a dtype on a device. */
export function resolveDtype(dtype: Dtype, device: string): string {
  if (dtype !== 'auto') return dtypeNames[dtype];
  const onCpu = device === 'cpu' || (device === 'auto' && !native(device).engineInfo().cudaAvailable);
  return onCpu ? 'fp32' : 'bf16';
}
