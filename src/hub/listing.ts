/** Which files a model has on the hub, and which of them are wanted. */
import { listFiles, modelInfo } from '@huggingface/hub';
import { HubError, UsageError } from '../errors.js';
import type { HubModel } from './cache.js';

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** What its content must hash to: git's hash of a blob, or SHA-256 for large files. */
  readonly hash: { readonly kind: 'git' | 'sha256'; readonly value: string };
}

export interface HubListing {
  /** The commit that the revision names. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export interface HubAccess {
  readonly endpoint: string;
  readonly token: string | undefined;
  /** How long the hub may take to answer, or to send the next bytes. */
  readonly patienceMilliseconds: number;
}

/** No model has so many; a listing without end would else fill the memory. */
const mostFiles = 10_000;
const sha1 = /^[0-9a-f]{40}$/;
const sha256 = /^[0-9a-f]{64}$/;

export async function listModel({ name, revision }: HubModel, access: HubAccess): Promise<HubListing> {
  const { endpoint: hubUrl, token, patienceMilliseconds } = access;
  // The library takes tokens of one form only; a mirror has its own.
  const patient: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers, signal: AbortSignal.timeout(patienceMilliseconds) });
  };
  const common = { hubUrl, fetch: patient };
  const { sha } = await modelInfo({ ...common, name, revision, additionalFields: ['sha'] });
  if (!sha1.test(sha)) throw new HubError(`${hubUrl} names no commit for \`${name}\``, { model: name });
  const files: HubFile[] = [];
  for await (const entry of listFiles({ ...common, repo: { type: 'model', name }, revision: sha, recursive: true })) {
    if (entry.type === 'file') files.push(hubFile(entry, name));
    if (files.length > mostFiles) throw new HubError(`\`${name}\` lists more than ${mostFiles} files`, { model: name });
  }
  return { commit: sha, files };
}

interface Entry {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

function hubFile({ path, size, oid, lfs }: Entry, model: string): HubFile {
  const outside = path.split('/').some((one) => one === '' || one === '.' || one === '..');
  if (outside || path.includes('\\') || path.includes('\0')) {
    throw new HubError(`\`${model}\` lists a file outside its folder: ${JSON.stringify(path)}`, { model, path });
  }
  if (lfs && sha256.test(lfs.oid)) return { path, size: lfs.size, hash: { kind: 'sha256', value: lfs.oid } };
  if (oid && sha1.test(oid)) return { path, size, hash: { kind: 'git', value: oid } };
  throw new HubError(`\`${model}\` lists ${path} without a hash`, { model, path });
}

/** Formats that run code when they are read. */
const pickle = /\.(bin|pt|pth|ckpt|pkl|pickle|joblib|npy|npz)$/i;
const wanted =
  /\.(safetensors|safetensors\.index\.json|json|jinja|model|txt|md)$|(^|\/)(LICENSE|NOTICE|USE_POLICY)[^/]*$/i;
/** Copies of the weights for other programs. */
const foreign =
  /(^|\/)(original|onnx|openvino|coreml|flax|metal|gguf|runs|\.git)\/|(^|\/)consolidated[^/]*\.safetensors$/;

/** `*` matches within a folder, `**` across folders, `?` one character; a pattern without `/` matches names anywhere. */
export function globPattern(glob: string): RegExp {
  const body = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('?', '[^/]')
    .replaceAll('**', '\0')
    .replaceAll('*', '[^/]*')
    .replaceAll('\0', '.*');
  return new RegExp(glob.includes('/') ? `^${body}$` : `(^|/)${body}$`);
}

/** The files to fetch. @throws UsageError when a pattern asks for pickles, or for nothing; HubError when all weights are pickles. */
export function chooseFiles(files: readonly HubFile[], globs: readonly string[], model: string): readonly HubFile[] {
  const patterns = globs.map(globPattern);
  const asked = ({ path }: HubFile): boolean =>
    patterns.length > 0 ? patterns.some((pattern) => pattern.test(path)) : wanted.test(path) && !foreign.test(path);
  const chosen = files.filter(asked);
  const unsafe = chosen.find(({ path }) => pickle.test(path));
  if (unsafe) {
    throw new UsageError(`${unsafe.path} is a pickle, which runs code when it is read: it is never fetched`, { model });
  }
  if (chosen.length === 0) throw new UsageError(`\`${model}\` has no file that --include ${globs.join(' ')} matches`);
  const hasWeights = files.some(({ path }) => path.endsWith('.safetensors'));
  if (patterns.length === 0 && !hasWeights && files.some(({ path }) => pickle.test(path))) {
    const fix = 'look for a revision with safetensors, or convert it in a place you trust';
    throw new HubError(`\`${model}\` has its weights as pickles only, which are never read here: ${fix}`, { model });
  }
  return chosen;
}
