/** The only file that loads the addon, and the one place where its failures become our error classes. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Binding from '../binding.js';
import { NativeError, nativeError } from './errors.js';

export type {
  EngineInfo,
  LoadOptions,
  NativeBatch,
  NativeGenerated,
  NativeGenerateRequest,
  NativePolicy,
  NativeUpdateSettings,
  NgramOptions,
  PolicyInfo,
  PolicyStats,
  Ragged,
} from '../binding.js';

export type NativeModule = typeof Binding;

let loaded: NativeModule | undefined;

/** The folder with binding.cjs: the package's root, from source and from dist. */
function packageRoot(from: string): string {
  if (existsSync(join(from, 'binding.cjs')) || from === dirname(from)) return from;
  return packageRoot(dirname(from));
}

function loadBinding(): NativeModule {
  const file = join(packageRoot(dirname(fileURLToPath(import.meta.url))), 'binding.cjs');
  try {
    const binding = createRequire(import.meta.url)(file) as NativeModule;
    process.once('exit', () => binding.shutdown());
    return binding;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    const message = `the native addon cannot be loaded (${reason}); run \`npm run build\`, then \`exit-rl doctor\``;
    throw new NativeError('ADDON_MISSING', message, { file }, { cause: error });
  }
}

/** The addon, loaded on first use. @throws NativeError `ADDON_MISSING` when it cannot be. */
export function native(): NativeModule {
  loaded ??= loadBinding();
  return loaded;
}

/** A rejection's message is JSON: code, message, fields. Anything else stays as it is. */
function translate(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('{')) return error;
  try {
    const { code, message, fields } = JSON.parse(error.message);
    return typeof code === 'string' ? nativeError(code, message, fields ?? {}) : error;
  } catch {
    return error;
  }
}

/** Awaits a native call and rethrows what it reports as one of our error classes. */
export async function crossing<Value>(call: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    throw translate(error);
  }
}

/** As `crossing`, for calls that answer at once. */
export function crossingNow<Value>(call: () => Value): Value {
  try {
    return call();
  } catch (error) {
    throw translate(error);
  }
}
