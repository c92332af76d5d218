/** Makes a folder for short runs of the digit policy, new for every test of a file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { parseConfig, type RunConfig } from '../../../src/config/parse.js';
import type { TaskFamily } from '../../../src/task/task.js';
import { oneRung } from '../../support/ladder.js';
import { DigitPolicy } from './digit-policy.js';

export const digitFamily = oneRung as TaskFamily;

export interface DigitRuns {
  /** Folder of the initial model. */
  model(): string;
  /** Returns a path in the folder. */
  path(name: string): string;
  /** Returns a config of twelve small updates, with `changes`. */
  configOf(changes?: Record<string, unknown>): RunConfig;
}

export function digitRuns(): DigitRuns {
  let root = '';
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'exit-rl-digits-'));
    await new DigitPolicy().save(model());
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const path = (name: string): string => join(root, name);
  const model = (): string => path('model');
  const configOf = (changes: Record<string, unknown> = {}): RunConfig =>
    parseConfig({
      task: 'one-rung',
      model: model(),
      updates: 12,
      startsPerBatch: 3,
      groupSize: 4,
      optimizer: { learningRate: 0.5 },
      buffer: { capacity: 8, minimumFill: 2 },
      checkpoint: { every: 4 },
      ...changes,
    });
  return { model, path, configOf };
}
