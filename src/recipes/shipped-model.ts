/** Where the package keeps the model folders that recipes start from. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `models/<name>` of the package. A compiled recipe lies one level deeper than its source. */
export function shippedModel(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, '..', 'models', name), join(here, '..', '..', 'models', name)];
  return candidates.find((folder) => existsSync(folder)) ?? (candidates[0] as string);
}
