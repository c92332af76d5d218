/** Finds the files of a folder that `save_to_disk` of datasets wrote. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isRecord, tryParse } from './jsonl.js';

async function readObject(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const value = text === undefined ? undefined : tryParse(text);
  return isRecord(value) ? value : undefined;
}

/** Lists the Arrow files of one saved dataset in their order; undefined where the folder holds none. */
async function listDatasetFiles(folder: string): Promise<string[] | undefined> {
  const files = (await readObject(join(folder, 'state.json')))?._data_files;
  if (!Array.isArray(files)) return undefined;
  const names = files.map((file) => (isRecord(file) ? file.filename : undefined));
  return names.filter((name) => typeof name === 'string').map((name) => join(folder, basename(name)));
}

/** Lists the files of the splits that `belongs` takes; undefined where datasets did not write the folder. */
export async function listSavedFiles(
  folder: string,
  belongs: (split: string) => boolean,
): Promise<string[] | undefined> {
  const splits = (await readObject(join(folder, 'dataset_dict.json')))?.splits;
  if (!Array.isArray(splits)) {
    const files = await listDatasetFiles(folder);
    return files && (belongs('train') ? files : []);
  }
  const names = splits.filter((name): name is string => typeof name === 'string' && belongs(name));
  const files = await Promise.all(names.map((name) => listDatasetFiles(join(folder, basename(name)))));
  return files.flatMap((list) => list ?? []);
}
