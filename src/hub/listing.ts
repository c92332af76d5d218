/** Lists the files of a model on the hub and chooses those to fetch. */
import { listFiles, modelInfo } from '@huggingface/hub';
import { HubError, UsageError } from '../errors.js';
import type { HubModel } from './model-cache.js';

/** One file of a model on the hub. */
export interface HubFile {
  /** Within the repository, with `/`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** The hash of its content: git's hash of a blob, or SHA-256 for large files. */
  readonly hash: { readonly kind: 'git' | 'sha256'; readonly value: string };
}

/** The files of a model at one commit. */
export interface HubListing {
  /** The commit that the revision names. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** How the hub is asked. */
export interface HubAccess {
  /** Its address, without a slash at the end. */
  readonly endpoint: string;
  /** Sent to the endpoint alone; public models need none. */
  readonly token: string | undefined;
  /** How long the hub may take to answer a question about a model. */
  readonly listingMilliseconds: number;
  /** How long the hub may take to send the next bytes of a file. */
  readonly patienceMilliseconds: number;
  /** Whether snapshots hold copies of the files instead of links to them. */
  readonly copies: boolean;
}

/** No model has so many files; an endless listing must not fill the memory. */
const mostEntries = 10_000;
const mostPages = 100;
/** Longest answer: a page of a thousand entries has some 300 kB. */
const mostBytes = 16 * 2 ** 20;
/** Linux's longest path. */
const longestPath = 4096;
const sha1 = /^[0-9a-f]{40}$/;
const sha256 = /^[0-9a-f]{64}$/;

async function bounded(response: Response, url: string): Promise<Response> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > mostBytes) throw new HubError(`${url} answers with more than ${mostBytes} bytes`, { url });
    parts.push(part);
  }
  const { status, statusText, headers } = response;
  const bodyless = status === 204 || status === 205 || status === 304;
  return new Response(bodyless ? null : Buffer.concat(parts), { status, statusText, headers });
}

/** `fetch` for the library: patient and bounded; it sends the token to the hub alone, also when a page links elsewhere. */
function listingFetch({ endpoint, token, listingMilliseconds }: HubAccess): typeof fetch {
  const { origin } = new URL(endpoint);
  let asked = 0;
  return async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    asked += 1;
    if (asked > mostPages) throw new HubError(`${endpoint} lists more than ${mostPages} pages`, { endpoint });
    // The library takes tokens of one form only; a mirror has its own.
    const headers = new Headers(init?.headers);
    if (token !== undefined && new URL(url).origin === origin) headers.set('authorization', `Bearer ${token}`);
    const signal = AbortSignal.timeout(listingMilliseconds);
    return bounded(await fetch(url, { ...init, headers, signal }), url);
  };
}

/** Every file of a model. @throws HubError for a listing that is too long, names paths outside the folder, or lacks hashes. */
export async function listModel(model: HubModel, access: HubAccess): Promise<HubListing> {
  try {
    return await readListing(model, access);
  } catch (error) {
    // Neither has a cause: a connection that failed has one.
    const unread = error instanceof SyntaxError || (error instanceof TypeError && error.cause === undefined);
    if (!unread) throw error;
    const message = `${access.endpoint} did not return a file listing for \`${model.name}\` (${error.message})`;
    throw new HubError(message.slice(0, 500), { model: model.name }, { cause: error });
  }
}

async function readListing({ name, revision }: HubModel, access: HubAccess): Promise<HubListing> {
  const { endpoint: hubUrl } = access;
  const common = { hubUrl, fetch: listingFetch(access) };
  const { sha } = await modelInfo({ ...common, name, revision, additionalFields: ['sha'] });
  if (typeof sha !== 'string' || !sha1.test(sha)) {
    throw new HubError(`${hubUrl} names no commit for \`${name}\``, { model: name });
  }
  const files: HubFile[] = [];
  let entries = 0;
  for await (const entry of listFiles({ ...common, repo: { type: 'model', name }, revision: sha, recursive: true })) {
    entries += 1;
    if (entries > mostEntries) {
      throw new HubError(`\`${name}\` lists more than ${mostEntries} files and folders`, { model: name });
    }
    if (entry.type === 'file') files.push(hubFile(entry, name));
  }
  requireApart(files, name);
  return { commit: sha, files };
}

/** An entry as the hub sends it, with every field unchecked. */
interface Entry {
  readonly path?: unknown;
  readonly size?: unknown;
  readonly oid?: unknown;
  readonly lfs?: { readonly oid?: unknown; readonly size?: unknown } | null;
}

const isHash = (value: unknown, form: RegExp): value is string => typeof value === 'string' && form.test(value);

function hubFile({ path, size, oid, lfs }: Entry, model: string): HubFile {
  if (typeof path !== 'string' || !isInside(path)) {
    const shown = (JSON.stringify(path) ?? 'nothing').slice(0, 200);
    throw new HubError(`\`${model}\` lists a file outside its folder: ${shown}`, { model, path: shown });
  }
  const bytes = lfs ? lfs.size : size;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new HubError(`\`${model}\` lists ${path} without a size`, { model, path });
  }
  if (lfs && isHash(lfs.oid, sha256)) return { path, size: bytes, hash: { kind: 'sha256', value: lfs.oid } };
  if (!lfs && isHash(oid, sha1)) return { path, size: bytes, hash: { kind: 'git', value: oid } };
  throw new HubError(`\`${model}\` lists ${path} without a hash`, { model, path });
}

/** A path of names within the folder, free of characters that a terminal would obey. */
function isInside(path: string): boolean {
  const names = path.split('/');
  const within = names.every((one) => one !== '' && one !== '.' && one !== '..' && one.length < 256);
  return within && path.length <= longestPath && !/[\\\p{Cc}\p{Cf}\p{Cs}]/u.test(path);
}

/** Refuses a path that is listed twice or is the parent of another. */
function requireApart(files: readonly HubFile[], model: string): void {
  const paths = new Set<string>();
  const twice = files.find(({ path }) => paths.size === paths.add(path).size);
  const under = files.find(({ path }) => {
    const names = path.split('/').slice(0, -1);
    return names.some((_, at) => paths.has(names.slice(0, at + 1).join('/')));
  });
  const path = (twice ?? under)?.path;
  if (path === undefined) return;
  throw new HubError(`\`${model}\` lists ${path} twice, or another file as its folder`, { model, path });
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

/** Whether a path is fetched: one that a pattern matches, or without patterns one that a model needs. */
export function isAsked(globs: readonly string[]): (path: string) => boolean {
  const patterns = globs.map(globPattern);
  if (patterns.length === 0) return (path) => wanted.test(path) && !foreign.test(path);
  return (path) => patterns.some((pattern) => pattern.test(path));
}

/** The files to fetch. @throws UsageError when a pattern asks for pickles, or for nothing; HubError when all weights are pickles. */
export function chooseFiles(files: readonly HubFile[], globs: readonly string[], model: string): readonly HubFile[] {
  const asked = isAsked(globs);
  const chosen = files.filter(({ path }) => asked(path));
  const unsafe = chosen.find(({ path }) => pickle.test(path));
  if (unsafe) {
    throw new UsageError(`${unsafe.path} is a pickle, which runs code when it is read: it is never fetched`, { model });
  }
  if (chosen.length === 0) throw new UsageError(`\`${model}\` has no file that --include ${globs.join(' ')} matches`);
  const hasWeights = files.some(({ path }) => path.endsWith('.safetensors'));
  if (globs.length === 0 && !hasWeights && files.some(({ path }) => pickle.test(path))) {
    const fix = 'look for a revision with safetensors, or convert it in a place you trust';
    throw new HubError(`\`${model}\` has its weights as pickles only, which are never read here: ${fix}`, { model });
  }
  return chosen;
}
