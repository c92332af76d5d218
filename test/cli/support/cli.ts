/** Runs the built command line as a user does, in a separate process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The program that `npm test` builds before it runs the tests. */
export const program = `${root}dist/cli/main.js`;

/** The shipped base model of the embedded default. */
export const tinyModel = `${root}models/tiny`;

/** A prompt in the vocabulary of the shipped model. */
export const prompt = '<bos> solve a1x b2~ c3= d4x e5x a6~ b1x c2x d3~ e4= previous a? b? c? d? e? answer';

/** Flags for its most likely answer, a row of five words and an end token. */
export const greedyPrompt = ['--prompt', prompt, '--temperature', '0', '--max-new-tokens', '6'] as const;

/** The reason why tests that need the engine cannot run; undefined when they can. */
export const missingEngine: string | undefined = !readdirSync(root).some((name) => name.endsWith('.node'))
  ? 'the addon is not built'
  : existsSync(`${tinyModel}/model.safetensors`)
    ? undefined
    : 'models/tiny is not there';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a command; `onStdout` receives everything printed so far. */
export function start(
  args: readonly string[],
  options: {
    env?: Record<string, string>;
    onStdout?: (text: string, child: ChildProcess) => void;
    input?: string;
  } = {},
): Started {
  const env = { ...process.env, EXIT_RL_SEED: '', NODE_OPTIONS: '', ...options.env };
  const child = spawn(process.execPath, [program, ...args], { cwd: root, env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
    options.onStdout?.(stdout, child);
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

export function runCli(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ended> {
  return start(args, options).ended;
}
