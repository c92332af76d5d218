/** Reads the results of a run that interruptions must not change, and makes the folder that a kill leaves. */
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listCheckpoints } from '../../../src/disk/checkpoint-folders.js';
import { verifyCheckpoint } from '../../../src/disk/manifest.js';

export const isTime = (key: string): boolean => key === 'step_time' || key.startsWith('perf/');

/** Reads every file of the last checkpoint, which must verify, traces and metrics. */
export async function lasting(path: string): Promise<Record<string, string>> {
  const last = (await listCheckpoints(path))[0]?.folder ?? '';
  const names = Object.keys((await verifyCheckpoint(last)).files);
  const files = await Promise.all(
    names.map(async (name) => [name, (await readFile(join(last, name))).toString('base64')]),
  );
  // The length of metrics.jsonl varies with the digits of its times, which are not compared.
  const { metricsBytes: _, identity, ...state } = JSON.parse(await readFile(join(last, 'state.json'), 'utf8'));
  const { checkpoint: __, ...config } = identity.config;
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const metrics = lines.map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !isTime(key)));
  return {
    ...Object.fromEntries(files),
    'state.json': JSON.stringify({ ...state, identity: { ...identity, config } }),
    'metrics.jsonl': JSON.stringify(metrics),
    'traces.jsonl': await readFile(join(path, 'traces.jsonl'), 'utf8'),
  };
}

/** Makes a run folder as a kill after update `k` leaves it: its checkpoint, and some lines after it. */
export async function stoppedAfter(k: number, twin: string, path: string): Promise<void> {
  await mkdir(path);
  for (const name of ['config.json', 'metrics.jsonl', 'traces.jsonl', `checkpoint-${k}`])
    await cp(join(twin, name), join(path, name), { recursive: true });
}
