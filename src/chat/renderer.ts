/**
 * Chat templates rendered in a process of their own, bounded in time, size and memory. They come with model folders from
 * anywhere; a template that loops or fills the memory costs that process, and its caller gets an error.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ChatTemplateError } from '../errors.js';
import { formatExact } from '../exact-json.js';
import { createRenderCache } from './template-cache.js';

/** The bounds of one render. */
export interface RenderLimits {
  /** Time limit of one render; ordinary templates take about a millisecond. */
  readonly milliseconds: number;
  /** Longest rendered text, and longest intermediate text. */
  readonly characters: number;
  /** Heap of the rendering process. */
  readonly mebibytes: number;
}

/** Far above the needs of ordinary templates. */
export const defaultLimits: RenderLimits = { milliseconds: 2_000, characters: 1 << 23, mebibytes: 256 };

/** One render. */
export interface RenderRequest {
  /** Jinja. */
  readonly template: string;
  /** The template's file, for error messages. */
  readonly source: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** The day that `strftime_now` returns, as YYYY-MM-DD. */
  readonly date: string;
}

interface Waiting {
  readonly id: number;
  readonly source: string;
  readonly line: string;
  readonly resolve: (text: string) => void;
  readonly reject: (error: ChatTemplateError) => void;
}

/** Beyond the template's own limit: for a builtin that does not come back, and for starting on a busy machine. */
const graceMilliseconds = 8_000;

/** Characters of a template and its conversation; the longest contexts have a few millions. */
const mostAsked = 1 << 26;

/** The arguments of Node that start the compiled child, or its TypeScript source where the sources themselves run. */
function childArguments(): readonly string[] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('./render-process.js', import.meta.url))];
  return [
    '--import',
    import.meta.resolve('jiti/register'),
    fileURLToPath(new URL('./render-process.ts', import.meta.url)),
  ];
}

function refused(source: string, reason: string): ChatTemplateError {
  return new ChatTemplateError(`the chat template of \`${source}\` failed: ${reason}`, { file: source, reason });
}

interface Answer {
  readonly id?: number;
  readonly text?: string;
  readonly reason?: string;
}

/** A line that is not JSON becomes an empty answer: the request that waits runs into its time limit. */
function parseAnswer(line: string): Answer {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return {};
  }
}

/** Renders one at a time, in order; a process that ends or does not answer is replaced. */
export class TemplateRenderer {
  private child: ChildProcess | undefined;
  private readonly waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  private unread: string[] = [];
  private asked = 0;
  private readonly cache = createRenderCache();

  constructor(private readonly limits: RenderLimits = defaultLimits) {}

  /** @throws ChatTemplateError when the template refuses, fails, or meets a limit. */
  async render({ source, variables, ...request }: RenderRequest): Promise<string> {
    const ask = JSON.stringify({ ...request, limits: this.limits, variables: formatExact(variables) });
    if (ask.length > mostAsked) throw refused(source, `template and conversation are longer than ${mostAsked}`);
    const known = this.cache.get(ask);
    if (known !== undefined) return known;
    const id = ++this.asked;
    const text = await new Promise<string>((resolve, reject) => {
      this.waiting.push({ id, source, line: `{"id":${id},${ask.slice(1)}\n`, resolve, reject });
      if (this.waiting.length === 1) this.askFirst();
    });
    this.cache.set(ask, text);
    return text;
  }

  /** Ends the process; the next render starts another. */
  close(): void {
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }

  private askFirst(): void {
    const [first] = this.waiting;
    keepAlive(this.child, first !== undefined);
    if (first === undefined) return;
    this.child ??= this.start();
    this.timer = setTimeout(() => this.child?.kill('SIGKILL'), this.limits.milliseconds + graceMilliseconds);
    this.child.stdin?.write(first.line);
  }

  private start(): ChildProcess {
    const flags = [`--max-old-space-size=${this.limits.mebibytes}`, '--max-semi-space-size=8'];
    const child = spawn(process.execPath, [...flags, ...childArguments()], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {},
    });
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (data: string) => this.read(data));
    // A broken pipe means that the process ended; `close` below reports it.
    child.stdin.on('error', () => {});
    child.once('error', (error) => this.ended(child, `no process can be started (${error.message})`));
    child.once('close', (_code, signal) => this.ended(child, endReason(signal, this.limits)));
    return child;
  }

  private read(data: string): void {
    const end = data.indexOf('\n');
    if (end < 0) return void this.unread.push(data);
    const line = this.unread.join('') + data.slice(0, end);
    this.unread = [data.slice(end + 1)];
    const answer = parseAnswer(line);
    const first = this.waiting[0];
    if (first?.id !== answer.id) return;
    this.settle((one) =>
      answer.text === undefined ? one.reject(refused(one.source, answer.reason ?? '')) : one.resolve(answer.text),
    );
  }

  private ended(child: ChildProcess, reason: string): void {
    if (this.child === child) this.child = undefined;
    this.unread = [];
    if (this.timer !== undefined) this.settle((one) => one.reject(refused(one.source, reason)));
  }

  private settle(with_: (one: Waiting) => void): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const first = this.waiting.shift();
    if (first) with_(first);
    this.askFirst();
  }
}

function endReason(signal: NodeJS.Signals | null, { mebibytes, milliseconds }: RenderLimits): string {
  if (signal === 'SIGKILL') return `it took longer than ${milliseconds} ms`;
  return `it needs more than ${mebibytes} MiB of memory`;
}

/** Only a render in progress keeps Node from ending. */
function keepAlive(child: ChildProcess | undefined, alive: boolean): void {
  const pipes = [child?.stdin, child?.stdout] as (
    | ((Readable | Writable) & { ref?(): void; unref?(): void })
    | undefined
  )[];
  for (const one of [child, ...pipes]) {
    if (alive) one?.ref?.();
    else one?.unref?.();
  }
}

let shared: TemplateRenderer | undefined;

/** The process's renderer. */
export function templateRenderer(): TemplateRenderer {
  shared ??= new TemplateRenderer();
  return shared;
}
