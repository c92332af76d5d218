import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  chooseLibtorch,
  exportedLibtorch,
  isComplete,
  libtorchVersion,
  linkLibtorch,
  managedFolder,
  markComplete,
} from '../scripts/setup/libtorch.mjs';
import { withLock } from '../scripts/setup/lock.mjs';
import { libtorchLock, managedHome } from '../scripts/setup/paths.mjs';
import { runLogged } from '../scripts/setup/process.mjs';
import { duration } from '../scripts/setup/progress.mjs';
import { hashInputs, readStamp, writeStamp } from '../scripts/setup/stamp.mjs';
import { compareVersions, missingMessage, missingTools, nodeProblem } from '../scripts/setup/tools.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Creates a folder that looks like libtorch of this version. */
function libtorch(name: string, version: string): string {
  write(`${name}/lib/libtorch_cpu.so`, 'library');
  write(`${name}/include/torch/script.h`, '');
  write(`${name}/build-version`, version);
  return join(folder, name);
}

describe('versions', () => {
  test.each([
    ['20.19.0', '20.19.0', 0],
    ['20.9.0', '20.19.0', -1],
    ['22.1.0', '20.19.0', 1],
    ['1.89', '1.89.0', 0],
    ['2.11.0+cu130', '2.11.0', 0],
    ['25.1', '25.1.1', -1],
  ])('%s against %s', (a, b, expected) => {
    expect(compareVersions(a, b)).toBe(expected);
  });

  test('an old Node is reported with the required version', () => {
    expect(nodeProblem('18.20.4')?.what).toBe('Node 20.19.0 or newer (this is 18.20.4)');
    expect(nodeProblem('20.19.0')).toBeUndefined();
  });
});

describe('system parts', () => {
  const all = ['compiler', 'rust', 'python', 'pip'] as const;

  test('all missing parts are reported at once, Debian packages in one command', () => {
    const missing = missingTools(all, () => undefined, '18.0.0');
    expect(missing).toHaveLength(5);
    const message = missingMessage(missing);
    expect(message).toContain('sudo apt-get install -y g++ python3 python3-pip');
    expect(message).toContain('rustup');
    expect(message).toContain('Node 20.19.0 or newer');
  });

  test('only missing parts are reported', () => {
    const missing = missingTools(all, (command, args) => {
      if (command === 'python3' && args.includes('pip')) return undefined;
      return command === 'rustc' ? 'rustc 1.95.0 (59807616e 2026-04-14)' : 'something 1.0';
    });
    expect(missing).toEqual([{ what: 'pip', install: 'sudo apt-get install -y python3-pip' }]);
  });

  test('the Rust of Debian 12 is reported as too old', () => {
    const missing = missingTools(['rust'], (command) => (command === 'rustc' ? 'rustc 1.63.0' : 'cargo 1.65.0'));
    expect(missing[0]?.what).toBe('Rust 1.89.0 or newer (this is 1.63.0)');
  });
});

describe('stamps', () => {
  test('the hash depends on contents, names and facts only', () => {
    write('in/a.rs', 'one');
    const before = hashInputs(folder, ['in']);
    utimesSync(join(folder, 'in/a.rs'), 0, 0);
    expect(hashInputs(folder, ['in'])).toBe(before);
    expect(hashInputs(folder, ['in'], ['2.11.0'])).not.toBe(before);
    write('in/a.rs', 'two');
    expect(hashInputs(folder, ['in'])).not.toBe(before);
    write('in/a.rs', 'one');
    write('in/b.rs', '');
    expect(hashInputs(folder, ['in'])).not.toBe(before);
  });

  test('a stamp is read back; a missing one is empty', () => {
    const file = join(folder, 'deep', 'x.stamp');
    expect(readStamp(file)).toBe('');
    writeStamp(file, 'abc');
    expect(readStamp(file)).toBe('abc');
  });
});

describe('libtorch', () => {
  test('the managed home is EXIT_RL_HOME, else XDG_CACHE_HOME, else ~/.cache', () => {
    expect(managedHome({ EXIT_RL_HOME: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(managedHome({ XDG_CACHE_HOME: '/b' })).toBe('/b/exit-rl');
    expect(managedHome({})).toMatch(/\.cache\/exit-rl$/);
  });

  test('the version comes from build-version or from Python, without its local part', () => {
    expect(libtorchVersion(libtorch('a', '2.11.0+cpu\n'))).toBe('2.11.0');
    write('torch/version.py', "__all__ = ['__version__']\n__version__ = '2.11.0+cu130'\n");
    expect(libtorchVersion(join(folder, 'torch'))).toBe('2.11.0');
    expect(libtorchVersion(folder)).toBeUndefined();
  });

  test('an unusable exported LIBTORCH is refused by name, with a fix', () => {
    expect(() => exportedLibtorch(libtorch('old', '2.9.1'))).toThrow(
      /old is version 2\.9\.1, 2\.11\.0 is needed.*unset/,
    );
    expect(() => exportedLibtorch(folder)).toThrow(/no lib\/libtorch_cpu\.so/);
    rmSync(join(libtorch('bare', '2.11.0'), 'include'), { recursive: true });
    expect(() => exportedLibtorch(join(folder, 'bare'))).toThrow(/no include\/torch/);
  });

  test('an exported one is used and remains in use through the link; a broken link falls back to the managed one', () => {
    const own = libtorch('own', '2.11.0');
    const link = join(folder, 'libtorch');
    const environment = { EXIT_RL_HOME: join(folder, 'home') };
    expect(chooseLibtorch({ ...environment, LIBTORCH: own }, link)).toMatchObject({ folder: own, ready: true });
    linkLibtorch(link, own);
    expect(chooseLibtorch(environment, link)).toMatchObject({ folder: own, managed: false });
    rmSync(own, { recursive: true });
    expect(chooseLibtorch(environment, link)).toEqual({
      folder: managedFolder(environment),
      managed: true,
      ready: false,
    });
  });

  test('a managed folder counts only with its marker and the complete library', () => {
    const managed = libtorch('home/libtorch-2.11.0-cpu', '2.11.0');
    expect(isComplete(managed)).toBe(false);
    markComplete(managed);
    expect(isComplete(managed)).toBe(true);
    writeFileSync(join(managed, 'lib/libtorch_cpu.so'), 'cut');
    expect(isComplete(managed)).toBe(false);
  });

  test('a link is replaced, a real folder is not', () => {
    const link = join(folder, 'libtorch');
    linkLibtorch(link, libtorch('a', '2.11.0'));
    linkLibtorch(link, libtorch('b', '2.11.0'));
    expect(readlinkSync(link)).toBe(join(folder, 'b'));
    expect(() => linkLibtorch(join(folder, 'a'), join(folder, 'b'))).toThrow(/is not a link/);
  });

  test('the layout copies the locked files from the wheels and adds the two files that no wheel has', () => {
    const pack = `import zipfile; z = zipfile.ZipFile('a.whl', 'w')
for name in ['torch/include/', 'torch/include/ATen/a.h', 'torch/lib/libc10.so', 'torch/lib/libtorch_cuda.so']: z.writestr(name, name)
z.close()`;
    expect(spawnSync('python3', ['-c', pack], { cwd: folder }).status).toBe(0);
    const take = { 'torch/include/': 'include/', 'torch/lib/libc10.so': 'lib/libc10.so' };
    const lock = write('lock.json', JSON.stringify({ version: '2.11.0', wheels: [{ file: 'a.whl', take }] }));
    const script = join(root, 'scripts/setup/layout.py');
    expect(spawnSync('python3', [script, lock, folder, join(folder, 'out')]).status).toBe(0);
    expect(readFileSync(join(folder, 'out/include/ATen/a.h'), 'utf8')).toBe('torch/include/ATen/a.h');
    expect(readFileSync(join(folder, 'out/lib/libtorch.so'), 'utf8')).toContain('INPUT(libtorch_cpu.so)');
    expect(readFileSync(join(folder, 'out/build-version'), 'utf8')).toBe('2.11.0');
    expect(existsSync(join(folder, 'out/lib/libtorch_cuda.so'))).toBe(false);
  });

  test('the lock file names every wheel by size and hash', () => {
    for (const wheel of libtorchLock.wheels) {
      expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(wheel.bytes).toBeGreaterThan(1e6);
      expect(wheel.file).toContain(wheel.requirement.split('==')[1]);
    }
  });
});

describe('two set-ups at once', () => {
  test('the second waits for the first', async () => {
    const path = join(folder, 'setup.lock');
    const events: string[] = [];
    const first = withLock(
      path,
      () => {},
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        events.push('first done');
      },
    );
    await withLock(
      path,
      () => events.push('second waits'),
      async () => void events.push('second works'),
    );
    await first;
    expect(events).toEqual(['second waits', 'first done', 'second works']);
    expect(existsSync(path)).toBe(false);
  });

  test('the lock of a dead process is taken over', async () => {
    const path = write('setup.lock', '1');
    utimesSync(path, 0, 0);
    expect(
      await withLock(
        path,
        () => {},
        async () => 'worked',
      ),
    ).toBe('worked');
  });

  test('the lock is released when the work fails', async () => {
    const path = join(folder, 'setup.lock');
    await expect(
      withLock(
        path,
        () => {},
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow('no');
    expect(existsSync(path)).toBe(false);
  });
});

describe('a command that fails', () => {
  test('is reported with its exit code and the end of its log', async () => {
    const log = join(folder, 'logs/x.log');
    const args = ['-c', 'echo from the command; exit 3'];
    const failure = runLogged({ command: 'sh', args, cwd: folder, log });
    await expect(failure).rejects.toThrow(/exit code 3[\s\S]*from the command/);
    expect(readFileSync(log, 'utf8')).toContain('from the command');
  });

  test('is reported by its name when it does not exist', async () => {
    const failure = runLogged({ command: 'no-such-command', args: [], cwd: folder, log: join(folder, 'x.log') });
    await expect(failure).rejects.toThrow(/no-such-command.*ENOENT/);
  });
});

test.each([
  [0.4, '0 s'],
  [59.4, '59 s'],
  [61, '1 min 01 s'],
  [-3, '0 s'],
])('%d seconds read %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
