/** Transfers one file from the hub into the cache: resumes it, checks it, and only then gives it its name. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { HubError } from '../errors.js';
import type { HubAccess, HubFile } from './listing.js';

/** One file to bring into the cache. */
export interface Transfer {
  /** Where the file is. */
  readonly url: string;
  readonly file: HubFile;
  /** The repository's folder in the cache. */
  readonly folder: string;
  readonly commit: string;
  readonly access: HubAccess;
  readonly signal?: AbortSignal;
  /** Called with the bytes on the disk, counted from the beginning of the file. */
  readonly onBytes?: (bytes: number) => void;
}

/** Attempts in a row that may bring no byte. */
const vainAttempts = 3;

async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ size }) => size,
    () => undefined,
  );
}

/**
 * Leaves the file's blob in place, and a link to it in the snapshot. Resolves to true when it was there already.
 * @throws HubError when the content does not have the listed size and hash.
 */
export async function transferFile(transfer: Transfer): Promise<boolean> {
  const { file, folder, commit } = transfer;
  const blob = join(folder, 'blobs', file.hash.value);
  const link = join(folder, 'snapshots', commit, file.path);
  await mkdir(dirname(blob), { recursive: true });
  await mkdir(dirname(link), { recursive: true });
  const present = (await sizeOf(blob)) === file.size;
  if (!present) await download(transfer, `${blob}.incomplete`, blob);
  transfer.onBytes?.(file.size);
  await replaceLink(blob, link, transfer.access.copies);
  return present;
}

/** Makes the file of a snapshot a link to its blob, or a copy where links are switched off or the file system has none. */
async function replaceLink(blob: string, link: string, copies: boolean): Promise<void> {
  const fresh = `${link}.${process.pid}.link`;
  await rm(fresh, { force: true });
  if (copies) await copyFile(blob, fresh);
  else await symlink(relative(dirname(link), blob), fresh).catch(copyInstead(blob, fresh));
  await rename(fresh, link);
}

const copyInstead =
  (blob: string, file: string) =>
  async (error: NodeJS.ErrnoException): Promise<void> => {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(error.code ?? '')) throw error;
    await copyFile(blob, file);
  };

async function download(transfer: Transfer, incomplete: string, blob: string): Promise<void> {
  const { file } = transfer;
  for (let vain = 0; ; ) {
    const there = await sizeOf(incomplete);
    const before = there ?? 0;
    try {
      if (there !== file.size) await receive(transfer, incomplete, before);
      break;
    } catch (error) {
      if (transfer.signal?.aborted || isFinal(error)) throw error;
      vain = ((await sizeOf(incomplete)) ?? 0) > before ? 0 : vain + 1;
      if (vain >= vainAttempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** vain));
    }
  }
  await check(file, incomplete);
  await rename(incomplete, blob);
}

/** True for a failure that another attempt cannot cure: a refusal, or content that is wrong. */
function isFinal(error: unknown): boolean {
  const status = (error as { statusCode?: number }).statusCode;
  return HubError.isInstance(error) || (status !== undefined && status >= 400 && status < 500 && status !== 429);
}

class StatusError extends Error {
  constructor(readonly statusCode: number) {
    super(`status ${statusCode}`);
  }
}

/** Appends what is missing; a server that cannot resume sends the file from its beginning. */
async function receive(transfer: Transfer, incomplete: string, from: number): Promise<void> {
  const { url, file, access, signal } = transfer;
  const stalled = new AbortController();
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => stalled.abort(new DOMException('no answer in time', 'TimeoutError')), access.patienceMilliseconds);
  let timer = watch();
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (access.token !== undefined) headers.authorization = `Bearer ${access.token}`;
  if (from > 0 && from < file.size) headers.range = `bytes=${from}-`;
  try {
    const signals = signal ? [stalled.signal, signal] : [stalled.signal];
    const response = await fetch(url, { headers, signal: AbortSignal.any(signals) });
    if (!response.ok || !response.body) throw new StatusError(response.status);
    const resumes = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`);
    let at = resumes ? from : 0;
    const output = await open(incomplete, resumes ? 'a' : 'w');
    try {
      for await (const bytes of response.body) {
        at += bytes.length;
        if (at > file.size) throw tooLong(file);
        await output.writeFile(bytes);
        transfer.onBytes?.(at);
        clearTimeout(timer);
        timer = watch();
      }
      await output.sync();
    } finally {
      await output.close();
    }
    if (at < file.size) throw new Error(`the connection ended after ${at} of ${file.size} bytes`);
  } finally {
    clearTimeout(timer);
  }
}

const tooLong = ({ path, size }: HubFile): HubError =>
  new HubError(`${path} is longer than the ${size} bytes that the hub lists`, { path });

function hasherOf({ hash, size }: HubFile): Hash {
  return hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** A file whose content is not what the hub lists is removed: resuming it would never make it right. */
async function check(file: HubFile, incomplete: string): Promise<void> {
  const hasher = hasherOf(file);
  for await (const bytes of createReadStream(incomplete)) hasher.update(bytes);
  const found = hasher.digest('hex');
  if (found === file.hash.value && (await sizeOf(incomplete)) === file.size) return;
  await rm(incomplete, { force: true });
  const facts = { path: file.path, expected: file.hash.value, found };
  throw new HubError(`${file.path} arrived damaged (its hash is not the hub's); fetch again`, facts);
}
