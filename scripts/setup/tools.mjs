/** The system tools that set-up needs; one message names all missing ones with the commands that install them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

export const minimumNode = '20.19.0';
export const minimumRust = '1.89.0';

/**
 * @typedef {'compiler' | 'rust' | 'python' | 'pip'} Tool
 * @typedef {{ what: string, install: string }} Missing
 * @typedef {(command: string, args: string[]) => string | undefined} Ask the command's output, or undefined when it fails
 */

/** @type {Ask} */
export const ask = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
};

/**
 * Returns -1, 0 or 1 as `a` is older than, equal to or newer than `b`; ignores a local part (`+cu130`).
 * @param {string} a
 * @param {string} b
 */
export function compareVersions(a, b) {
  const numbers = (/** @type {string} */ version) => (version.split('+')[0] ?? '').split('.').map(Number);
  const left = numbers(a);
  const right = numbers(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/**
 * Returns the reason why this Node cannot be used, or undefined.
 * @param {string} version without the leading v
 */
export function nodeProblem(version) {
  if (compareVersions(version, minimumNode) >= 0) return undefined;
  return {
    what: `Node ${minimumNode} or newer (this is ${version})`,
    install: 'see nodejs.org/en/download, or `npx n 22`',
  };
}

const debian = (/** @type {string} */ name) => `sudo apt-get install -y ${name}`;
const rustup = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y";

/** @type {Record<Tool, (ask: Ask) => Missing | undefined>} */
const checks = {
  compiler: (ask) =>
    ask(process.env.CXX?.split(' ').at(-1) ?? 'g++', ['--version'])
      ? undefined
      : { what: 'a C++ compiler (g++)', install: debian('g++') },
  rust(ask) {
    const version = ask('rustc', ['--version'])?.split(' ')[1];
    if (!version || !ask('cargo', ['--version'])) return { what: 'Rust (cargo, rustc)', install: rustup };
    if (compareVersions(version.split('-')[0] ?? '', minimumRust) >= 0) return undefined;
    return { what: `Rust ${minimumRust} or newer (this is ${version})`, install: `rustup update stable, or ${rustup}` };
  },
  python: (ask) => (ask('python3', ['--version']) ? undefined : { what: 'Python 3', install: debian('python3') }),
  pip: (ask) =>
    ask('python3', ['-m', 'pip', '--version']) ? undefined : { what: 'pip', install: debian('python3-pip') },
};

/**
 * Lists the missing ones of `tools`, and Node when it is too old.
 * @param {readonly Tool[]} tools
 * @param {Ask} [askCommand]
 * @param {string} [nodeVersion]
 * @returns {Missing[]}
 */
export function missingTools(tools, askCommand = ask, nodeVersion = process.versions.node) {
  const missing = [nodeProblem(nodeVersion), ...tools.map((tool) => checks[tool](askCommand))];
  return missing.filter((entry) => entry !== undefined);
}

/**
 * Writes one message for all missing tools; Debian packages share one command.
 * @param {readonly Missing[]} missing
 */
export function missingMessage(missing) {
  const prefix = debian('');
  const packages = missing
    .filter(({ install }) => install.startsWith(prefix))
    .map((m) => m.install.slice(prefix.length));
  const others = missing.filter(({ install }) => !install.startsWith(prefix));
  const lines = [
    'Set-up needs what this machine lacks:',
    ...missing.map(({ what }) => `  - ${what}`),
    'To install (Debian, Ubuntu):',
  ];
  if (packages.length > 0) lines.push(`  ${debian(packages.join(' '))}`);
  for (const { what, install } of others) lines.push(`  ${install}    # ${what}`);
  return lines.join('\n');
}

/** rustup's folder is often not yet on the PATH of the shell that ran it. */
export function addCargoToPath() {
  const folder = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin');
  const path = process.env.PATH ?? '';
  if (existsSync(folder) && !path.split(delimiter).includes(folder)) process.env.PATH = `${path}${delimiter}${folder}`;
}
