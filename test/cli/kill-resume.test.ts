/** Repeats the first kills of `scripts/kill-resume.mjs`, whose full result is in bench/results. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { missingEngine } from './support/cli.js';

const script = fileURLToPath(new URL('../../scripts/kill-resume.mjs', import.meta.url));

test.skipIf(missingEngine !== undefined)(
  'killed ten times at random moments and resumed ten times, training ends as if nothing had been',
  () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--kills', '10'], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const { kills, resumes, runs, identicalRuns } = JSON.parse(stdout);
    expect(Math.min(kills, resumes)).toBeGreaterThanOrEqual(10);
    expect(identicalRuns).toBe(runs);
  },
  300_000,
);
