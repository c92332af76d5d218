/** Builds model folders and configs with one defect each, and runs commands on them. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { runCli, tinyModel } from '../cli/support/cli.js';

export const cafeModel = tinyModel.replace(/tiny$/, 'cafe');

/** Copies a shipped model folder and changes it. */
export function modelFolder(path: string, change: (folder: string) => void, from = tinyModel): string {
  mkdirSync(path, { recursive: true });
  for (const name of readdirSync(from)) copyFileSync(join(from, name), join(path, name));
  change(path);
  return path;
}

/** Rewrites a JSON file of a folder. */
export const inJson = (name: string, change: (json: Record<string, unknown>) => unknown) => (folder: string) => {
  const file = join(folder, name);
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(change(json) ?? json));
};

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** Largest resident memory, MiB. */
  readonly peak: number;
}

// The process prints the kernel's high-water mark of its memory when it ends.
const report = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => process.stderr.write('\\npeak ' + process.resourceUsage().maxRSS + '\\n'))",
)}`;

export async function outcomeOf(args: readonly string[]): Promise<Outcome> {
  const began = performance.now();
  const { code, stdout, stderr } = await runCli(args, { env: { NODE_OPTIONS: `--import=${report}` } });
  const peak = Number(/\npeak (\d+)\n/.exec(stderr)?.[1] ?? Number.NaN) / 1024;
  const said = stderr.replace(/\n?peak \d+\n/g, '').trim();
  return { code, stdout, stderr: said, seconds: (performance.now() - began) / 1000, peak };
}

/** Lists every file of a folder with its size and modification time. */
export function listing(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return names.map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name));
    return `${name} ${size} ${mtimeMs}`;
  });
}
