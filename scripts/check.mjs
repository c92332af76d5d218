/** `npm run check`: format, lint, types, Rust format and lint, and whether the build reproduces the committed binding. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildFolder, root } from './setup/paths.mjs';
import { runLogged } from './setup/process.mjs';
import { createProgress, duration, SetupError } from './setup/progress.mjs';
import { triple } from './setup/steps.mjs';
import { addCargoToPath } from './setup/tools.mjs';

const node = process.execPath;
const clippy = ['clippy', '--release', '--target', triple, '--workspace', '--all-targets', '--locked'];
const generated = ['binding.d.ts', 'binding.cjs'];

/** @type {[name: string, command: string, args: string[]][]} */
const checks = [
  ['TypeScript format and lint', node, ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '.']],
  ['types, tests included', node, ['node_modules/typescript/bin/tsc', '--noEmit', '--project', 'tsconfig.test.json']],
  ['Rust format', 'cargo', ['fmt', '--all', '--check']],
  ['Rust lint', 'cargo', [...clippy, '--', '-D', 'warnings']],
  ['binding.d.ts is what the build makes', 'git', ['diff', '--exit-code', 'HEAD', '--', ...generated]],
];

const setUp = spawnSync(node, [join(root, 'scripts/setup.mjs')], { stdio: 'inherit' });
if (setUp.status !== 0) process.exit(setUp.status ?? 1);
addCargoToPath();
mkdirSync(buildFolder, { recursive: true });
const progress = createProgress(process.stderr);
let failed = 0;
for (const [at, [name, command, args]] of checks.entries()) {
  const begin = performance.now();
  progress.show(`${name} …`);
  try {
    await runLogged({ command, args, cwd: root, log: join(buildFolder, `check-${at + 1}.log`) });
    progress.say(`✓ ${name} (${duration((performance.now() - begin) / 1000)})`);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    failed += 1;
    progress.say(`✗ ${name}\n${error.message}`);
  }
}
if (failed > 0) progress.say(`${failed} of ${checks.length} checks failed`);
process.exitCode = failed > 0 ? 1 : 0;
