/** Runs in its own thread: loads the user's module and calls its function for each request. */
import { parentPort, workerData } from 'node:worker_threads';
import { thrownMessage } from '../shown.js';
import { type ModuleFunction, type ModuleSource, moduleFunction } from './module.js';
import { signatureHint } from './signature.js';

interface Request {
  readonly id: number;
  readonly value: unknown;
}

// The module's prints are not the program's output, so they go to stderr. (Piping the thread's stdout from outside
// instead would keep the process alive for as long as the thread.)
process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;

async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  let call: ModuleFunction;
  try {
    call = await moduleFunction(workerData as ModuleSource);
  } catch (error) {
    port.postMessage({ failed: thrownMessage(error) });
    return;
  }
  port.on('message', async ({ id, value }: Request) => {
    try {
      port.postMessage({ id, answer: await call(value) });
    } catch (error) {
      port.postMessage({ id, error: thrownMessage(error) });
    }
  });
  port.postMessage({ ready: true, hint: signatureHint(call) });
}

await serve();
