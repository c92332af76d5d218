/** Declares tests of damaged folders, each with its expected error. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ModelFolderError } from '../../src/errors.js';
import { copyModel, loadError } from './model-folder.js';

/** A damaged folder and its expected error. */
export type Attack = readonly [name: string, model: string, damage: (folder: string) => void, message: RegExp];

export const replace = (name: string, make: (path: string) => void) => (folder: string) => {
  rmSync(join(folder, name), { force: true });
  make(join(folder, name));
};

/** Expects a typed error that names the file, in bounded time. */
export function refused(groups: Readonly<Record<string, readonly Attack[]>>): void {
  describe.each(Object.entries(groups))('%s', (_, attacks) => {
    test.each(attacks)('%s', { timeout: 5000 }, async (_name, model, damage, message) => {
      const folder = copyModel(model);
      damage(folder);
      const error = await loadError(folder);
      expect(ModelFolderError.isInstance(error), String(error)).toBe(true);
      expect(String(error)).toMatch(message);
      expect(String(error).length).toBeLessThan(1000);
    });
  });
}
