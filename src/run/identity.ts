/** Hashes config, model and tasks, so that a resumed run detects changes. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../disk/disk.js';
import type { Versions } from '../disk/manifest.js';
import { packageVersion } from '../libtorch.js';
import { loadedLibtorch } from '../native.js';

/** Serialises to JSON with sorted keys, so that equal values give equal text. */
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

/** Computes `hashValue` of a list item by item: the text of a data set may exceed the longest string. */
export function hashList(values: readonly unknown[]): string {
  const hash = createHash('sha256').update('[');
  for (const [at, value] of values.entries()) hash.update(`${at > 0 ? ',' : ''}${canonicalJson(value)}`);
  return hash.update(']').digest('hex');
}

const modelFiles = /^(config\.json|adapter_config\.json|.*\.safetensors(\.index\.json)?)$/;
// generation_config.json holds the end tokens, which decide where a text ends.
const tokenizerFiles =
  /^(tokenizer\.json|tokenizer\.model|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|chat_template\.(jinja|json)|generation_config\.json)$/;

/** The folder of named chat templates. */
const chatTemplates = 'additional_chat_templates';

/** Hashes of the files that determine the numbers of a model, and of those of its tokenizer. */
export interface ModelFingerprint {
  readonly model: string;
  readonly tokenizer: string;
}

async function hashFiles(folder: string, names: readonly string[]): Promise<string> {
  const hashes: string[] = [];
  for (const name of [...names].sort()) hashes.push(`${name} ${await hashFile(join(folder, name))}`);
  return hashValue(hashes);
}

/** Hashes a model folder; undefined when there is no such folder. */
export async function fingerprintModel(folder: string): Promise<ModelFingerprint | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const templates = (await readdir(join(folder, chatTemplates)).catch(() => [])).map(
    (name) => `${chatTemplates}/${name}`,
  );
  const tokenizer = [
    ...names.filter((name) => tokenizerFiles.test(name)),
    ...templates.filter((name) => /\.jinja$/.test(name)),
  ];
  const model = names.filter((name) => modelFiles.test(name));
  return { model: await hashFiles(folder, model), tokenizer: await hashFiles(folder, tokenizer) };
}

const embedderFiles = /(\.json|\.safetensors|^vocab\.txt)$/;

/** Hashes the files of a sentence-transformers folder and its modules' folders that determine its vectors. */
export async function fingerprintEmbedder(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return hashFiles(
    folder,
    names.filter((name) => embedderFiles.test(name)),
  );
}

// Versions that wrote a checkpoint. Other versions may compute different bits, so resuming warns without refusing.

export function currentVersions(): Versions {
  const libtorch = loadedLibtorch()?.version;
  return { package: packageVersion(), node: process.versions.node, ...(libtorch !== undefined && { libtorch }) };
}

/** Describes the programs whose version changed; undefined when none did. */
export function changedVersions(before: Versions, now: Versions): string | undefined {
  const names = ['package', 'node', 'libtorch'] as const;
  const changed = names.filter((name) => before[name] && now[name] && before[name] !== now[name]);
  return changed.length === 0 ? undefined : changed.map((name) => `${name} ${before[name]} -> ${now[name]}`).join(', ');
}
