/** The package as npm packs it, in an empty project: the README's example, every import path, the types. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingEngine } from '../cli/support/cli.js';
import { installPackage, manifest, type Project, root } from './project.js';

let project: Project;
beforeAll(() => {
  project = installPackage();
}, 60_000);
afterAll(() => project.remove());

/** The example of the README. */
const example =
  /```ts\n(\/\/ A task of your own[\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';

/** The example as JavaScript. */
const plain = (source: string): string =>
  ts.transpileModule(source, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
    .outputText;

/** As a CommonJS module has to write it: `require`, and no `await` at the top. */
const common = (source: string): string =>
  `(async () => {\n${plain(source).replace(/import (\{[^}]*\}) from '([^']+)';/g, "const $1 = require('$2');")}})();\n`;

/** Update and quality of each printed line. */
const qualities = (printed: string): number[][] =>
  printed
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));

const specifiers = Object.keys(manifest.exports).map((path) => path.replace('.', 'exit-rl'));

/** The source behind each specifier, as the checks of this checkout resolve it. */
const sources = (): Record<string, string[]> =>
  JSON.parse(readFileSync(join(root, 'tsconfig.test.json'), 'utf8')).compilerOptions.paths;
const modules = specifiers.filter((name) => !name.endsWith('.json'));

describe('the package', () => {
  test('contains no tests, source maps or training data, and every file once', () => {
    const unwanted = /\.map$|\.node$|^(src|test|crates|scripts)\/|^examples\/.*train\.jsonl$/;
    expect(project.files.filter((file) => unwanted.test(file))).toEqual([]);
    expect(project.files.filter((file) => file.endsWith('binding.d.ts'))).toHaveLength(1);
  });

  test('has the files that its manifest names', () => {
    const named = [...manifest.sideEffects, ...Object.values(manifest.bin)];
    expect(named.filter((file) => !existsSync(join(project.installed, file)))).toEqual([]);
    expect(project.run([join(project.installed, manifest.bin['exit-rl']), '--version'])).toContain(manifest.version);
  });

  test('weighs less than 1.8 MB', () => {
    expect(statSync(project.tarball).size).toBeLessThan(1.8e6);
  });

  test('has every file that its README links to', () => {
    const links = [
      ...readFileSync(join(project.installed, 'README.md'), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g),
    ];
    expect(links.length).toBeGreaterThan(5);
    expect(links.map(([, path = '']) => path).filter((path) => !existsSync(join(project.installed, path)))).toEqual([]);
  });

  test('passes publint', async () => {
    const { messages } = await publint({ pkgDir: project.installed, pack: false, strict: true });
    expect(messages).toEqual([]);
  });

  // Node 20.19 and later `require` ES modules; TypeScript knows that under nodenext, not under node16.
  test('resolves its types wherever it resolves its code', () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const rules = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--no-definitely-typed'];
    const { status, stdout } = spawnSync(process.execPath, [attw, project.tarball, ...rules], { encoding: 'utf8' });
    expect(status, stdout).toBe(0);
  }, 60_000);
});

describe.skipIf(missingEngine !== undefined)('the example of the README', () => {
  test('runs as an ES module', () => {
    project.write('example.js', plain(example));
    expect(qualities(project.run(['example.js', '2']))).toEqual([
      [1, expect.any(Number)],
      [2, expect.any(Number)],
    ]);
  });

  test('runs as CommonJS', () => {
    project.write('example.cjs', common(example));
    expect(qualities(project.run(['example.cjs', '2']))).toHaveLength(2);
  });

  test('runs as TypeScript with tsx', () => {
    project.write('train.ts', example);
    expect(qualities(project.run(['node_modules/tsx/dist/cli.mjs', 'train.ts', '2']))).toHaveLength(2);
  });

  test('runs with tsx and a reward file in its own thread', () => {
    project.write(
      'rewards.ts',
      'export const threes = ({ texts }: { texts: string[] }) => texts.map((text) => text.split("3").length);\n',
    );
    const isolated = example
      .replace("method: 'grpo',", "method: 'grpo', rewards: [{ file: 'rewards.ts', isolated: true }],")
      .replace(/ *reward: .*\n/, '')
      .replace('quality?.toFixed(3)', 'row.reward')
      .replace('({ update, quality })', '({ update, ...row })');
    project.write('isolated.ts', isolated);
    const [[, reward = 0] = []] = qualities(project.run(['node_modules/tsx/dist/cli.mjs', 'isolated.ts', '1']));
    expect(reward).toBeGreaterThan(1);
  });
});

/** Lists TypeScript's errors in the project's file and in the package's declarations, not in those of dependencies. */
function problemsIn(program: ts.Program): string[] {
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(project.installed) || !fileName.includes('node_modules'));
  expect(ours.length).toBeGreaterThan(10);
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...ours.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  return found.map(({ file, messageText }) => {
    return `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('every import path', () => {
  test('resolves to the same module in the tests as in the package', () => {
    const compiled = Object.entries(sources()).map(([name, [source = '']]) => [
      name.replace('exit-rl', '.'),
      source.replace('./src/', './dist/').replace(/\.ts$/, '.js'),
    ]);
    const exported = Object.entries(manifest.exports).flatMap(([name, target]) =>
      typeof target === 'string' ? [] : [[name, target.default]],
    );
    expect(compiled.sort()).toEqual(exported.sort());
  });

  test('can be imported and required without loading the addon', () => {
    const addons = "process.report.getReport().sharedObjects.filter((path) => path.includes('binding.'))";
    const imports = modules.map((name) => `await import('${name}');`);
    const requires = specifiers.map((name) => `require('${name}');`);
    project.write('import.js', `${imports.join('\n')}\nconsole.log(${addons}.length);`);
    project.write('require.cjs', `${requires.join('\n')}\nconsole.log(${addons}.length);`);
    expect(project.run(['import.js']).trim()).toBe('0');
    expect(project.run(['require.cjs']).trim()).toBe('0');
  });

  const strict: ts.CompilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true },
    // Without the DOM, and only with types that the package references; checks its declarations as well.
    ...{ target: ts.ScriptTarget.ES2022, lib: ['lib.es2023.d.ts'], types: [], skipLibCheck: false },
  };
  const { Node16, NodeNext, ESNext } = ts.ModuleKind;
  const importAll = modules.map((name, at) => `import * as m${at} from '${name}';\nvoid m${at};`).join('\n');
  const requireAll = modules.map((name, at) => `import m${at} = require('${name}');\nvoid m${at};`).join('\n');

  test.each([
    ['node16', 'check.ts', { module: Node16, moduleResolution: ts.ModuleResolutionKind.Node16 }],
    ['nodenext', 'check.ts', { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }],
    ['bundler', 'check.ts', { module: ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }],
    ['nodenext, from CommonJS', 'check.cts', { module: NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }],
  ])(
    'and the example type-check under %s',
    (_, name, options) => {
      const file = project.write(name, name.endsWith('.cts') ? requireAll : `${importAll}\n${example}`);
      expect(problemsIn(ts.createProgram([file], { ...strict, ...options }))).toEqual([]);
    },
    60_000,
  );
});
