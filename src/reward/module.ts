/** A function of a module of the user's: TypeScript or JavaScript, its default export or a named one. */

export type ModuleFunction = (value: unknown) => unknown;

export interface ModuleSource {
  /** An absolute path. */
  readonly file: string;
  /** The function's name; absent takes the default export, or the only function. */
  readonly name?: string;
  /** Present where the export makes the function: it is called with them first. */
  readonly options?: unknown;
}

function chosen(exported: Readonly<Record<string, unknown>>, name: string | undefined): unknown {
  if (name !== undefined) return exported[name];
  if (typeof exported.default === 'function') return exported.default;
  const functions = Object.values(exported).filter((value) => typeof value === 'function');
  return functions.length === 1 ? functions[0] : undefined;
}

/** Loads the module. @throws an Error that says what it should export. */
export async function moduleFunction({ file, name, options }: ModuleSource): Promise<ModuleFunction> {
  const { createJiti } = await import('jiti');
  const exported = (await createJiti(import.meta.url).import(file)) as Readonly<Record<string, unknown>>;
  const found = chosen(exported, name);
  if (typeof found === 'function') return options === undefined ? (found as ModuleFunction) : found(options);
  const names = Object.keys(exported).join(', ') || 'nothing';
  throw new Error(`exports no function \`${name ?? 'default'}\`; it exports ${names}`);
}
