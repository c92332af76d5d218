/** A hub of one model on the loopback interface: the routes that a download requests, with faults on demand. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const commit = 'a'.repeat(40);

export interface Faults {
  /** Status of every response, for example 401. */
  readonly status?: number;
  /** Closes the connection after so many bytes of a file, this many times. */
  readonly cutAfter?: number;
  readonly cuts?: number;
  /** Sends bytes that do not match the listing's hash. */
  readonly damaged?: boolean;
  /** Sends the file from its beginning whatever range is requested. */
  readonly ignoresRanges?: boolean;
  /** The next page that every page of the listing names. */
  readonly nextPage?: string;
  /** Replaces the listing of the files. */
  readonly listing?: string;
  /** Never responds. */
  readonly silent?: boolean;
}

export interface LoopbackHub {
  readonly url: string;
  faults: Faults;
  /** `path range` of every requested file. */
  readonly asked: string[];
  readonly tokens: (string | undefined)[];
  close(): Promise<void>;
}

const gitHash = (data: Buffer): string => createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

function listing(files: ReadonlyMap<string, Buffer>): object[] {
  return [...files].map(([path, data]) => {
    const large = path.endsWith('.safetensors')
      ? { lfs: { oid: sha256(data), size: data.length, pointerSize: 130 } }
      : {};
    return { type: 'file', path, size: data.length, oid: gitHash(data), ...large };
  });
}

export async function startHub(model: string, files: ReadonlyMap<string, Buffer>): Promise<LoopbackHub> {
  let server: Server;
  let cuts = 0;
  const hub: LoopbackHub = {
    url: '',
    faults: {},
    asked: [],
    tokens: [],
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const sendFile = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const data = files.get(path);
    if (data === undefined) return void response.writeHead(404).end();
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    hub.asked.push(`${path} ${range ?? '0'}`);
    const { cutAfter, ignoresRanges, damaged } = hub.faults;
    const from = range === undefined || ignoresRanges ? 0 : Number(range);
    const part = Buffer.from(data.subarray(from));
    if (damaged) part.fill(7);
    const head = { 'content-length': part.length, 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` };
    response.writeHead(from > 0 ? 206 : 200, head);
    if (cutAfter === undefined || cuts >= (hub.faults.cuts ?? 1) || part.length <= cutAfter)
      return void response.end(part);
    cuts += 1;
    response.write(part.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
  };
  server = createServer((request, response) => {
    hub.tokens.push(request.headers.authorization);
    const { pathname } = new URL(request.url ?? '/', 'http://hub');
    const { status, silent } = hub.faults;
    if (silent) return;
    if (status !== undefined) return void response.writeHead(status).end('{}');
    if (pathname.startsWith(`/api/models/${model}/tree/`)) {
      const { nextPage } = hub.faults;
      if (nextPage !== undefined) response.setHeader('link', `<${nextPage}>; rel="next"`);
      return void response.end(hub.faults.listing ?? JSON.stringify(listing(files)));
    }
    if (pathname.startsWith(`/api/models/${model}`))
      return void response.end(
        JSON.stringify({
          id: model,
          _id: '1',
          sha: commit,
          private: false,
          gated: false,
          likes: 0,
          downloads: 0,
          lastModified: '2024-07-26T00:00:00.000Z',
        }),
      );
    const path = new RegExp(`^/${model}/resolve/${commit}/(.+)$`).exec(pathname)?.[1];
    if (path === undefined) return void response.writeHead(404).end();
    sendFile(decodeURIComponent(path), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(hub, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
