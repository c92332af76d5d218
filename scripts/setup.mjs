/**
 * Makes a fresh clone runnable: libtorch, npm packages, native addon, TypeScript. Uses Node built-ins only.
 * It makes a part only when its inputs have changed, so it may run before every command.
 */
import { join } from 'node:path';
import { fetchLibtorch } from './setup/fetch.mjs';
import { chooseLibtorch, isLinked, linkLibtorch } from './setup/libtorch.mjs';
import { withLock } from './setup/lock.mjs';
import { buildFolder, root } from './setup/paths.mjs';
import { createProgress, SetupError } from './setup/progress.mjs';
import { addon, packages, typescript } from './setup/steps.mjs';
import { addCargoToPath, missingMessage, missingTools } from './setup/tools.mjs';

const link = join(root, 'libtorch');
const steps = [packages, addon, typescript];

/** @returns {import('./setup/steps.mjs').Step} */
function libtorchStep() {
  const choice = chooseLibtorch(process.env, link);
  return {
    name: 'libtorch',
    tools: choice.ready ? [] : ['python', 'pip'],
    isFresh: () => choice.ready && isLinked(link, choice.folder),
    async run(progress) {
      if (!choice.ready) await fetchLibtorch({ folder: choice.folder, logs: buildFolder, progress });
      linkLibtorch(link, choice.folder);
    },
  };
}

/** @param {import('./setup/steps.mjs').Step[]} stale */
function requireTools(stale) {
  const missing = missingTools([...new Set(stale.flatMap(({ tools }) => tools))]);
  if (missing.length > 0) throw new SetupError(missingMessage(missing));
}

async function setUp() {
  const all = [libtorchStep(), ...steps];
  requireTools([]);
  if (all.every((step) => step.isFresh())) return;
  addCargoToPath();
  requireTools(all.filter((step) => !step.isFresh()));
  const progress = createProgress(process.stderr);
  const onWait = () => progress.say('Another set-up of this checkout is running; waiting for it.');
  await withLock(join(buildFolder, 'setup.lock'), onWait, () => runStale(progress));
}

/** @param {import('./setup/progress.mjs').Progress} progress */
async function runStale(progress) {
  for (const step of [libtorchStep(), ...steps]) if (!step.isFresh()) await step.run(progress);
}

for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])) {
  process.once(signal, () => process.exit(code));
}
try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}
