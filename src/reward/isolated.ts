/**
 * A module's function in a thread of its own, which can be ended: a loop without end blocks nobody, and memory that grows
 * without end ends the thread. (A single allocation of gigabytes is beyond what V8 confines to a thread.)
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deadline } from './deadline.js';
import type { ModuleSource } from './module.js';

export interface IsolatedOptions extends ModuleSource {
  /** How long one call may take. */
  readonly timeoutSeconds: number;
  /** Heap of the thread. */
  readonly heapMiB?: number;
}

/** How long loading the module may take. */
const startSeconds = 60;

interface Answer {
  readonly id?: number;
  readonly answer?: unknown;
  readonly error?: string;
  readonly ready?: true;
  readonly failed?: string;
}

/** The compiled worker, or its source through jiti where the sources themselves are run. */
function startWorker({ heapMiB = 1024, ...source }: IsolatedOptions): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: heapMiB };
  const options = { workerData: source, execArgv: [], resourceLimits };
  const isSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(isSource ? './worker.ts' : './worker.js', import.meta.url));
  const jiti = JSON.stringify(import.meta.resolve('jiti'));
  const viaJiti = `import(${jiti}).then(({ createJiti }) => createJiti(${JSON.stringify(file)}).import(${JSON.stringify(file)}))`;
  return isSource ? new Worker(viaJiti, { ...options, eval: true }) : new Worker(file, options);
}

/** One thread at a time; calls wait for each other. */
export class IsolatedFunction {
  private worker: Worker | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private calls = 0;

  constructor(private readonly options: IsolatedOptions) {}

  /** Loads the module. @throws an Error when it cannot be loaded or has no such function. */
  async start(): Promise<void> {
    await this.inTurn(() => this.running());
  }

  /** @throws RewardTimeoutError when it took too long, an Error with the function's message when it threw. */
  call(value: unknown): Promise<unknown> {
    return this.inTurn(async () => {
      const worker = await this.running();
      const id = ++this.calls;
      const { answer, error } = await this.answerOf(worker, this.options.timeoutSeconds, () => {
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

  /** The thread with the module loaded; a new one after the last was ended. */
  private async running(): Promise<Worker> {
    if (this.worker !== undefined) return this.worker;
    const worker = startWorker(this.options);
    this.worker = worker;
    // What the module left behind may throw between two calls: that ends its thread, and not the process.
    const ended = (): void => {
      if (this.worker === worker) this.worker = undefined;
    };
    worker.on('error', ended).on('exit', ended);
    // An idle thread keeps no process alive.
    const { failed } = await this.answerOf(worker, startSeconds, () => {});
    worker.unref();
    if (failed === undefined) return worker;
    await this.close();
    throw new Error(failed);
  }

  /** The next message; a thread that is too slow, or ends by itself, is done with. */
  private async answerOf(worker: Worker, seconds: number, ask: () => void): Promise<Answer> {
    let callOff = (): void => {};
    let forget = (): void => {};
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const ended = (code: number): void => reject(new Error(`the thread ended with code ${code}`));
        worker.on('message', resolve).on('error', reject).on('exit', ended);
        forget = () => void worker.off('message', resolve).off('error', reject).off('exit', ended);
        callOff = deadline(seconds, reject);
        ask();
      });
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      callOff();
      forget();
    }
  }
}
