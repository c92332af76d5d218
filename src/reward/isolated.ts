/**
 * Runs a module's function in its own thread, which can be terminated: an infinite loop blocks nothing else, and a heap
 * that exceeds its limit ends the thread alone. (V8 does not confine a single allocation of gigabytes to a thread.)
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deadline } from './deadline.js';
import type { ModuleSource } from './module.js';

export interface IsolatedOptions extends ModuleSource {
  /** Time limit of one call; 0 disables it. */
  readonly timeoutSeconds: number;
  /** Heap limit of the thread; 1024 MiB by default. */
  readonly heapMiB?: number;
}

/** Time limit for loading the module. */
const startSeconds = 60;

interface Answer {
  readonly id?: number;
  readonly answer?: unknown;
  readonly error?: string;
  readonly ready?: true;
  readonly hint?: string;
  readonly failed?: string;
}

/** Starts the compiled worker, or its TypeScript source through jiti where the sources themselves run. */
function startWorker({ heapMiB = 1024, ...source }: IsolatedOptions): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: heapMiB };
  const options = { workerData: source, execArgv: [], resourceLimits };
  const isSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(isSource ? './worker.ts' : './worker.js', import.meta.url));
  const jiti = JSON.stringify(import.meta.resolve('jiti'));
  const viaJiti = `import(${jiti}).then(({ createJiti }) => createJiti(${JSON.stringify(file)}).import(${JSON.stringify(file)}))`;
  return isSource ? new Worker(viaJiti, { ...options, eval: true }) : new Worker(file, options);
}

/** Owns at most one thread at a time and runs calls one after the other. */
export class IsolatedFunction {
  private worker: Worker | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private calls = 0;
  /** The end of a message about the function, where its parameters are those of TRL; known once it has started. */
  hint = '';

  constructor(private readonly options: IsolatedOptions) {}

  /** Loads the module. @throws an Error when the module cannot be loaded or has no such function. */
  async start(): Promise<void> {
    await this.inTurn(() => this.running());
  }

  /** Calls the function. @throws RewardTimeoutError after the time limit, an Error with the function's message when it threw. */
  call(value: unknown): Promise<unknown> {
    return this.inTurn(async () => {
      const worker = await this.running();
      const id = ++this.calls;
      const { answer, error } = await this.awaitAnswer(worker, this.options.timeoutSeconds, () => {
        worker.postMessage({ id, value });
      });
      if (error !== undefined) throw new Error(error);
      return answer;
    });
  }

  async close(): Promise<void> {
    const worker = this.worker;
    this.worker = undefined;
    await worker?.terminate();
  }

  private inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  /** Returns the thread with the module loaded; starts a new one where there is none. */
  private async running(): Promise<Worker> {
    if (this.worker !== undefined) return this.worker;
    const worker = startWorker(this.options);
    this.worker = worker;
    // A timer that the module left behind may throw between two calls: that ends its thread, not the process.
    const ended = (): void => {
      if (this.worker === worker) this.worker = undefined;
    };
    worker.on('error', ended).on('exit', ended);
    // An idle thread keeps no process alive.
    const { failed, hint = '' } = await this.awaitAnswer(worker, startSeconds, () => {});
    this.hint = hint;
    worker.unref();
    if (failed === undefined) return worker;
    await this.close();
    throw new Error(failed);
  }

  /** Sends a request and resolves to the next message. Closes a thread that exceeds the limit or ends by itself. */
  private async awaitAnswer(worker: Worker, seconds: number, send: () => void): Promise<Answer> {
    let cancel = (): void => {};
    let removeListeners = (): void => {};
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const ended = (code: number): void => reject(new Error(`the thread ended with code ${code}`));
        worker.on('message', resolve).on('error', reject).on('exit', ended);
        removeListeners = () => void worker.off('message', resolve).off('error', reject).off('exit', ended);
        cancel = deadline(seconds, reject);
        send();
      });
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      cancel();
      removeListeners();
    }
  }
}
