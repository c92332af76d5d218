/** Where a task's name leads when it is a module: a path, or the file of an npm package. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const isModulePath = (name: string): boolean => /\.[cm]?[jt]s$/.test(name);

/** Finds the file of an npm package that the working directory can import; undefined when there is none. */
export async function findPackage(name: string): Promise<string | undefined> {
  const { createJiti } = await import('jiti');
  const url = createJiti(join(process.cwd(), 'package.json')).esmResolve(name, { try: true });
  return url === undefined || url === '' ? undefined : fileURLToPath(url);
}
