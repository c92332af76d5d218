/** Prepares sections whose keys depend on their `kind` for the schema. */
import type { ConfigProblem } from '../errors.js';
import { isPlainObject, type Layer, readPath, removePath, setPath } from './layer.js';
import { schemaRows, type Union } from './rows.js';

/** Expands `loss: 'sapo'` to `loss: { kind: 'sapo' }`, so that layers merge key by key. */
export function writeOutKinds(layer: Layer): void {
  for (const { path } of schemaRows().unions) {
    if (typeof readPath(layer, path) === 'string') setPath(layer, path, { kind: removePath(layer, path) });
  }
}

/** Lists the kinds that have `key`. */
const kindsWith = ({ keys }: Union, key: string): string[] =>
  [...keys].flatMap(([kind, own]) => (own.has(key) ? [kind] : []));

/** The place of the layer that set a path by another program's name, and that of the layer that set it at all. */
export interface Ranks {
  borrowed(path: string): number | undefined;
  of(path: string): number;
}

/**
 * Gives a section without a `kind` the default one, and refuses keys of another kind. Drops keys of another kind that an alias
 * set in the layer of the kind or below: TRL, too, reads `sapo_temperature_pos` only with `loss_type: sapo`.
 */
export function settleKinds(input: Layer, problems: ConfigProblem[], ranks: Ranks): void {
  for (const union of schemaRows().unions) {
    const section = readPath(input, union.path);
    if (!isPlainObject(section)) continue;
    section.kind ??= union.fallback;
    const own = union.keys.get(String(section.kind));
    if (own === undefined) continue;
    for (const key of Object.keys(section)) {
      const kinds = own.has(key) ? [] : kindsWith(union, key);
      if (kinds.length === 0) continue;
      delete section[key];
      const path = `${union.path}.${key}`;
      const borrowed = ranks.borrowed(path);
      if (borrowed !== undefined && borrowed <= Math.max(0, ranks.of(`${union.path}.kind`))) continue;
      const named = kinds.map((kind) => `\`${kind}\``).join(' or ');
      problems.push({ key: path, message: `belongs to the kind ${named}, not to \`${String(section.kind)}\`` });
    }
  }
}
