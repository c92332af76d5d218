/** The Python process on the other side: one JSON line asks, one answers. See bench/peers/serve.py. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = (name) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

/** Makes the folder that both sides load; `source` is a model folder, or '-' for a random one of the default's shape. */
export function prepareModel(python, source, target) {
  const { status, stderr } = spawnSync(python, [script('prepare.py'), source, target], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`prepare.py failed:\n${stderr}`);
}

export class Peer {
  #process;
  #lines;
  #messages = '';

  constructor(python, name = 'serve.py') {
    const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    this.#process = spawn(python, [script(name)], { stdio: ['pipe', 'pipe', 'pipe'], env: environment });
    this.#process.stderr.on('data', (data) => {
      this.#messages = (this.#messages + data).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  get processId() {
    return this.#process.pid;
  }

  /** Rejects with the end of what Python printed when it dies instead of answering. */
  async ask(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the Python peer ended during ${command.do}:\n${this.#messages}`);
    return JSON.parse(value);
  }

  /** Ends the process and waits for it. */
  async close() {
    const ended = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin.end();
    await ended;
  }
}
