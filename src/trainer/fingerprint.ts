/** Hashes by which a resumed run knows that config, model and tasks are still the same. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from './durable.js';

/** JSON with sorted keys: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([left], [right]) => (left < right ? -1 : 1)))
      : child,
  );
}

export function hashValue(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

const modelFiles =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|chat_template\.jinja|.*\.safetensors(\.index\.json)?)$/;

/** Hash of the files of a model folder that decide what it computes; undefined when there is no such folder. */
export async function fingerprintModel(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const hashes: string[] = [];
  for (const name of names.filter((entry) => modelFiles.test(entry)).sort()) {
    hashes.push(`${name} ${await hashFile(join(folder, name))}`);
  }
  return hashValue(hashes);
}
