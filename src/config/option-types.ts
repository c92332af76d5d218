/** The types that every name of a config takes: our keys, and those of other programs. */
import { aliases } from './aliases.js';
import { batchAliases } from './objective-aliases.js';
import { schemaRows } from './rows.js';
import { switchTakes } from './run-aliases.js';
import { type Takes, takesAny, takesNumber, unite } from './takes.js';
import { refusedNames } from './trl-options.js';

let table: ReadonlyMap<string, Takes> | undefined;

function readTable(): ReadonlyMap<string, Takes> {
  const types = new Map<string, Takes>();
  for (const { path, takes } of schemaRows().rows) {
    const before = types.get(path);
    types.set(path, before === undefined ? takes : unite(before, takes));
  }
  for (const name of refusedNames) types.set(name, takesAny);
  for (const name of batchAliases) types.set(name, takesNumber);
  for (const [name, takes] of Object.entries(switchTakes)) types.set(name, takes);
  for (const [name, { to, takes }] of Object.entries(aliases())) types.set(name, takes ?? types.get(to) ?? takesAny);
  return types;
}

/** Returns the types of a name, where a number in the path is a place in a list; undefined for an unknown name. */
export function takesAt(path: string): Takes | undefined {
  table ??= readTable();
  const plain = path.replaceAll(/\.\d+(?=\.|$)/g, '');
  const known = table.get(plain);
  if (known !== undefined) return /\.\d+$/.test(path) ? (known.list ?? known) : known;
  // The keys of an object of any keys.
  const end = plain.lastIndexOf('.');
  const parent = end < 0 ? undefined : takesAt(plain.slice(0, end));
  return parent?.any ? parent : parent?.values;
}
