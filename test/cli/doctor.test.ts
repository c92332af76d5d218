import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Examination } from '../../src/cli/doctor/examine.js';
import { describe as describeExamination } from '../../src/cli/doctor.js';
import { runCli } from './support/cli.js';

const healthy: Examination = {
  ok: true,
  versions: { exitRl: '1.2.3', node: '20.19.0', libtorch: '2.11.0', rustc: undefined },
  addon: { file: '/p/binding.node', loaded: true, error: undefined },
  libtorch: [
    {
      source: 'built-in',
      folder: '/p/libtorch',
      version: '2.11.0',
      cuda: false,
      used: true,
      refused: false,
      reason: 'built with it',
    },
  ],
  devices: [
    { device: 'cuda', usable: false, count: 0, reason: 'no NVIDIA driver on this machine' },
    { device: 'cpu', usable: true, count: 1, reason: 'used' },
  ],
  cpu: { model: 'Some CPU', flags: ['avx2'], instructions: 'avx2', threads: 4 },
  problems: [],
};

describe('exit-rl doctor', () => {
  test('reports the devices and libraries of a run on this machine', async () => {
    const { stdout, stderr, code } = await runCli(['doctor', '--json', '--device', 'cpu']);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const found: Examination = JSON.parse(stdout);
    expect(found.ok).toBe(true);
    expect(found.versions.node).toBe(process.versions.node);
    expect(found.versions.libtorch).toMatch(/^2\.11\./);
    expect(found.addon).toMatchObject({ loaded: true });
    expect(found.libtorch.filter(({ used }) => used)).toHaveLength(1);
    expect(found.cpu.threads).toBeGreaterThan(0);
    expect(['avx512', 'avx2', 'portable']).toContain(found.cpu.instructions);
    expect(found.devices.map(({ device }) => device)).toEqual(['cuda', 'cpu']);
  });

  test('prints lines for a person', async () => {
    const { stdout, code } = await runCli(['doctor']);
    expect(code).toBe(0);
    for (const part of ['exit-rl ', 'addon ', 'libtorch ', 'devices ', 'threads']) expect(stdout).toContain(part);
  });

  test('an unusable LIBTORCH fails with a fix', async () => {
    const { stdout, code } = await runCli(['doctor'], { env: { LIBTORCH: tmpdir() } });
    expect(code).toBe(1);
    expect(stdout).toContain('Broken:');
    expect(stdout).toContain('lib/libtorch_cpu.so is missing');
    expect(stdout).toContain('unset LIBTORCH');
  });

  test('an active Python environment without CUDA is listed but not used', async () => {
    const environment = mkdtempSync(join(tmpdir(), 'exit-rl-python-'));
    onTestFinished(() => rmSync(environment, { recursive: true, force: true }));
    const torch = join(environment, 'lib/python3.11/site-packages/torch');
    cpSync(new URL('../../libtorch/build-version', import.meta.url), join(torch, 'build-version'));
    symlinkSync(new URL('../../libtorch/lib', import.meta.url), join(torch, 'lib'));
    const { stdout, code } = await runCli(['doctor', '--json'], { env: { VIRTUAL_ENV: environment } });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).libtorch[0]).toMatchObject({
      source: 'VIRTUAL_ENV',
      used: false,
      reason: 'a build without CUDA',
    });
  });

  test('a request for unavailable CUDA fails', async () => {
    const { stdout, code } = await runCli(['doctor', '--device', 'cuda', '--json'], {
      env: { VIRTUAL_ENV: '', CONDA_PREFIX: '' },
    });
    const cuda = JSON.parse(stdout).devices[0];
    expect(code).toBe(cuda.usable ? 0 : 1);
    expect(cuda.reason.length).toBeGreaterThan(3);
  });
});

describe('the page for a person', () => {
  test('says that everything works on a healthy machine', () => {
    const lines = describeExamination(healthy);
    expect(lines[0]).toContain('1.2.3 · Node 20.19.0 · rustc not found (needed only to build)');
    expect(lines).toContain('Everything works.');
    expect(lines.find((line) => line.includes('cuda'))).toContain('no NVIDIA driver');
  });

  test('problems that every run has come before the others', () => {
    const problems = [
      { what: 'small', fix: 'later', needed: false },
      { what: 'large', fix: 'now', needed: true },
    ];
    const lines = describeExamination({ ...healthy, ok: false, problems });
    expect(lines.slice(-5)).toEqual(['Broken:', '  large', '    → now', '  small', '    → later']);
  });
});
