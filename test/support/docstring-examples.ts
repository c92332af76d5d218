/** Finds the `@example`s of `src`, type-checks them as one program, and runs them one after another in this process. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default?: string }>>;
}

/** Lists the public entries: the name that users import, and its source file. */
export function publicEntries(): ReadonlyMap<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const exported = Object.entries(exports).flatMap(([name, target]): [string, string][] => {
    const file = typeof target === 'string' ? target : (target.default ?? '');
    const source = /^\.\/dist\/(?:src\/)?(.+)\.js$/.exec(file)?.[1];
    return source === undefined ? [] : [[posix.join('exit-rl', name), `src/${source}.ts`]];
  });
  return new Map(exported);
}

export interface DocstringExample {
  /** `file:line` of the comment's `@example`. */
  readonly place: string;
  readonly code: string;
  /** False for a fence marked `no-run`: it needs the network, or a model that is not shipped. */
  readonly runs: boolean;
}

/** Finds all examples under `src`, in the order of files and lines. */
export function findExamples(): readonly DocstringExample[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.ts')).sort();
  return sources.flatMap((file) => examplesIn(posix.join('src', file.replaceAll('\\', '/'))));
}

const docComment = /\/\*\*[\s\S]*?\*\//g;

function examplesIn(file: string): DocstringExample[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(docComment)].flatMap(({ 0: comment, index }) => {
    const lines = comment.slice(3, -2).split('\n');
    const bare = lines.map((line) => line.replace(/^\s*\* ?/, ''));
    const firstLine = text.slice(0, index).split('\n').length;
    return bare.flatMap((line, at) =>
      line.startsWith('@example') ? [exampleAt(bare.slice(at + 1), `${file}:${firstLine + at}`)] : [],
    );
  });
}

/** Parses the lines up to the next tag, without the fence around them. */
function exampleAt(lines: readonly string[], place: string): DocstringExample {
  const end = lines.findIndex((line) => /^@[a-z]+\b/i.test(line));
  const own = end < 0 ? lines : lines.slice(0, end);
  const fence = own.find((line) => line.startsWith('```'));
  const code = own.filter((line) => !line.startsWith('```')).join('\n');
  return { place, code: `${code.trim()}\n`, runs: !fence?.includes('no-run') };
}

export interface CheckedExamples {
  /** `place: message` for every error of the compiler. */
  readonly errors: readonly string[];
  readonly program: ts.Program;
}

/** Type-checks all examples as one program with the options of the tests; `exit-rl` and its subpaths resolve to the sources. */
export function checkExamples(examples: readonly DocstringExample[]): CheckedExamples {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.test.json'),
    { noEmit: true },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => {},
    },
  );
  const paths = Object.fromEntries([...publicEntries()].map(([name, file]) => [name, [join(root, file)]]));
  const options: ts.CompilerOptions = { ...config?.options, paths, moduleDetection: ts.ModuleDetectionKind.Force };
  const texts = new Map(examples.map(({ code }, at) => [join(root, 'test', `example-${at}.ts`), code]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => texts.has(file) || fileExists(file);
  host.readFile = (file) => texts.get(file) ?? readFile(file);
  host.getSourceFile = (file, target, ...rest) => {
    const text = texts.get(file);
    return text === undefined ? getSourceFile(file, target, ...rest) : ts.createSourceFile(file, text, target, true);
  };
  const entries = [...publicEntries().values()].map((file) => join(root, file));
  const program = ts.createProgram([...texts.keys(), ...entries], options, host);
  const errors = [...texts.keys()].flatMap((file, at) => errorsOf(program, file, examples[at]?.place ?? file));
  return { errors, program };
}

function errorsOf(program: ts.Program, file: string, place: string): string[] {
  const source = program.getSourceFile(file);
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  return found.map(({ messageText, start }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${place}, line ${line} of it: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** Lists the functions and public methods without `@example` that the entries export from files under `folders`. */
export function withoutExample(program: ts.Program, folders: readonly string[]): string[] {
  const checker = program.getTypeChecker();
  const isOurs = (node: ts.Node): boolean =>
    folders.some((folder) => node.getSourceFile().fileName.startsWith(join(root, folder)));
  const missing = new Set<string>();
  for (const file of publicEntries().values()) {
    const source = program.getSourceFile(join(root, file));
    const module = source && checker.getSymbolAtLocation(source);
    for (const symbol of module ? checker.getExportsOfModule(module) : []) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      for (const declaration of target.declarations ?? []) {
        if (!isOurs(declaration)) continue;
        for (const [name, node] of callables(declaration)) if (!hasExample(node)) missing.add(name);
      }
    }
  }
  return [...missing].sort();
}

/** Lists the callable parts of a declaration: a function, or the public methods of a class. */
function callables(node: ts.Declaration): [string, ts.Node][] {
  if (ts.isFunctionDeclaration(node)) return [[node.name?.text ?? '', node]];
  if (ts.isVariableDeclaration(node)) {
    return node.initializer && ts.isArrowFunction(node.initializer) ? [[node.name.getText(), node]] : [];
  }
  if (!ts.isClassDeclaration(node)) return [];
  const methods = node.members.filter((member) => ts.isMethodDeclaration(member));
  const open = methods.filter((method) => !(ts.getCombinedModifierFlags(method) & ts.ModifierFlags.Private));
  return open.map((method) => [`${node.name?.text}.${method.name.getText()}`, method]);
}

const hasExample = (node: ts.Node): boolean => ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'example');

type Body = (load: (name: string) => Promise<unknown>, console: object, process: object) => Promise<void>;
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (...parts: string[]) => Body;

const silent = { log: () => {}, error: () => {} };
const quietProcess: object = Object.create(process, { stdout: { value: { write: () => true } } });

/** Runs an example in a folder that holds `files`, by name, and the package; discards its output. */
export async function runExample(
  { code }: DocstringExample,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = new AsyncFunction('load', 'console', 'process', runnable(code));
  const [before, folder] = [process.cwd(), mkdtempSync(join(tmpdir(), 'exit-rl-docstring-'))];
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  // A file that the program loads imports the package, as in a project that installed it.
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'exit-rl'));
  process.chdir(folder);
  try {
    await body(loadModule, silent, quietProcess);
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
}

function loadModule(name: string): Promise<unknown> {
  const file = publicEntries().get(name);
  return import(file === undefined ? name : pathToFileURL(join(root, file)).href);
}

/** Compiles an example to the body of a function: imports become calls of `load`. */
function runnable(code: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(code, { compilerOptions });
  const source = ts.createSourceFile('example.js', outputText, ts.ScriptTarget.ES2022, true);
  // A program with only types keeps an empty export, which a function's body cannot contain.
  const statements = source.statements.filter((one) => !ts.isExportDeclaration(one));
  return statements.map((one) => (ts.isImportDeclaration(one) ? loading(one) : one.getText())).join('\n');
}

function loading({ importClause, moduleSpecifier }: ts.ImportDeclaration): string {
  const bindings = importClause?.namedBindings;
  const names = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
  const pattern = names.map(({ propertyName, name }) => `${(propertyName ?? name).getText()}: ${name.getText()}`);
  return `const { ${pattern.join(', ')} } = await load(${moduleSpecifier.getText()});`;
}
