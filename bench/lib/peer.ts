/** The Python process of the peer: answers every JSON line with one JSON line. See bench/peers/serve.py. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

/** Makes the folder that both sides load; `source` is a model folder, or '-' for random weights of the shipped shape. */
export function prepareModel(python: string, source: string, target: string): void {
  const { status, stderr } = spawnSync(python, [script('prepare.py'), source, target], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`prepare.py failed:\n${stderr}`);
}

export class Peer {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #messages = '';

  constructor(python: string, name = 'serve.py') {
    const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    this.#process = spawn(python, [script(name)], { stdio: ['pipe', 'pipe', 'pipe'], env: environment });
    this.#process.stderr.on('data', (data) => {
      this.#messages = (this.#messages + data).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  get processId(): number {
    return this.#process.pid ?? 0;
  }

  /** Rejects with the last lines of Python's output when the process ends without an answer. */
  async ask<Answer>(command: { readonly do: string } & Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the Python peer ended during ${command.do}:\n${this.#messages}`);
    return JSON.parse(value) as Answer;
  }

  /** Ends the process and waits for it. */
  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#process.once('close', () => resolve()));
    this.#process.stdin.end();
    await ended;
  }
}
