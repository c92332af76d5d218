/** Failures of the hub, each in a sentence that says what to do. */
import { HubError } from '../errors.js';
import { cacheFolder, type Environment } from './environment.js';
import type { HubModel } from './model-cache.js';

interface Reason {
  readonly statusCode?: number;
  readonly code?: string;
  readonly name?: string;
  readonly message?: string;
  readonly cause?: unknown;
  /** Of a file here. */
  readonly path?: unknown;
}

/** The innermost cause: fetch says only that it failed. */
function root(error: unknown): Reason {
  let at = error as Reason;
  while (at?.cause instanceof Error) at = at.cause as Reason;
  return at;
}

/** Whether the hub was not there to answer: no network, no answer in time, or an error of its own. */
export function isUnreachable(error: unknown): boolean {
  const status = statusOf(error);
  const isOfDisk = typeof root(error).path === 'string';
  return status === undefined ? !HubError.isInstance(error) && !isOfDisk : status >= 500;
}

function statusOf(error: unknown): number | undefined {
  for (let at = error as Reason | undefined; at; at = at.cause as Reason | undefined) {
    if (typeof at.statusCode === 'number') return at.statusCode;
  }
  return undefined;
}

/** The error for a request that failed: by its status, by the disk, or by the network. */
export function hubFailure(error: unknown, model: HubModel, endpoint: string, environment: Environment): HubError {
  if (HubError.isInstance(error)) return error;
  const fields = { model: model.name, revision: model.revision, endpoint, status: statusOf(error) };
  return new HubError(explained(error, model, endpoint, environment), fields, { cause: error });
}

function explained(error: unknown, { name, revision }: HubModel, endpoint: string, environment: Environment): string {
  const status = statusOf(error);
  const { code, name: kind, message, path } = root(error);
  if (status === 401 || status === 403) {
    return `${endpoint} refuses \`${name}\` (${status}): accept its terms on the hub if required, and set HF_TOKEN to a token with read access`;
  }
  if (status === 404) {
    return `${endpoint} has no \`${name}\` at revision ${revision} (404), or it is private: check the name, and HF_TOKEN`;
  }
  if (status !== undefined) return `${endpoint} answered ${status} for \`${name}\`: try again later`;
  if (typeof path === 'string') {
    return `${path} cannot be written (${code ?? message}): check its folder and the room on its disk`;
  }
  const reason = kind === 'TimeoutError' ? 'no answer in time' : (code ?? message ?? String(error));
  return (
    `${endpoint} cannot be reached (${reason}): check the network, a proxy, or HF_ENDPOINT for a mirror. ` +
    `Without a network: fetch \`${name}\` on another machine and copy its folder into ${cacheFolder(environment)}, ` +
    'or give --model a folder'
  );
}
