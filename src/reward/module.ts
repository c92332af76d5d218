/** Loads a function from a user's TypeScript or JavaScript module: its default export or a named one. */

export type ModuleFunction = (value: unknown) => unknown;

export interface ModuleSource {
  /** An absolute path. */
  readonly file: string;
  /** The export's name; without it the default export, or the only exported function. */
  readonly name?: string;
  /** Present where the export is a factory: `export(options)` returns the function. */
  readonly options?: unknown;
}

function chooseExport(exported: Readonly<Record<string, unknown>>, name: string | undefined): unknown {
  if (name !== undefined) return exported[name];
  if (typeof exported.default === 'function') return exported.default;
  const functions = Object.values(exported).filter((value) => typeof value === 'function');
  return functions.length === 1 ? functions[0] : undefined;
}

/** Loads the module. @throws an Error that names the missing export and the present ones. */
export async function moduleFunction({ file, name, options }: ModuleSource): Promise<ModuleFunction> {
  const { createJiti } = await import('jiti');
  const exported = (await createJiti(import.meta.url).import(file)) as Readonly<Record<string, unknown>>;
  const chosen = chooseExport(exported, name);
  if (typeof chosen === 'function') return options === undefined ? (chosen as ModuleFunction) : chosen(options);
  const functions = Object.keys(exported).filter((key) => typeof exported[key] === 'function');
  const names = Object.keys(exported).join(', ') || 'nothing';
  const fix = functions.length === 0 ? '' : '; set `export` to the name of a function';
  throw new Error(`exports no function \`${name ?? 'default'}\`; it exports ${names}${fix}`);
}
