/** Reads the schema as rows: every key that a config may hold, with its other names, and the unions by `kind`. */
import { z } from 'zod';
import { isPlainObject } from './layer.js';
import { runSchema } from './schema.js';
import { nodesIn, readTakes, type Takes } from './takes.js';

export interface Row {
  readonly path: string;
  /** Names of TRL and prime-rl for the same value. */
  readonly trl: readonly string[];
  /** Keys that this one replaced. */
  readonly was: readonly string[];
  /** true: null is a value. Elsewhere null means TRL's default. */
  readonly takesNull: boolean;
  readonly takes: Takes;
  /** true: a config may lack the key, and the schema has no default. */
  readonly isOptional: boolean;
  /** The default; undefined for a section, and for a key without one. */
  readonly fallback: unknown;
}

/** A section whose keys depend on its `kind`. */
export interface Union {
  readonly path: string;
  /** The default kind. */
  readonly fallback: string;
  /** The keys of each kind. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Schema {
  readonly rows: readonly Row[];
  readonly unions: readonly Union[];
}

type Node = Readonly<Record<string, unknown>>;

const texts = (value: unknown): readonly string[] => [value ?? []].flat().map(String);
const readProperties = ({ properties }: Node): Node => (isPlainObject(properties) ? properties : {});

function toRow(path: string, node: Node, isRequired: boolean): Row {
  const takesNull = nodesIn(node.anyOf).some(({ type }) => type === 'null');
  const isOptional = !isRequired && node.default === undefined;
  const fallback = isPlainObject(node.default) ? undefined : node.default;
  return { path, trl: texts(node.trl), was: texts(node.was), takesNull, takes: readTakes(node), isOptional, fallback };
}

function toUnion(path: string, node: Node): Union {
  const options = nodesIn(node.oneOf).flatMap((option) => {
    const properties = readProperties(option);
    const { const: only, enum: several } = properties.kind as Node;
    return texts(only ?? several).map((kind) => [kind, new Set(Object.keys(properties))] as const);
  });
  const { kind } = node.default as Node;
  return { path, fallback: String(kind), keys: new Map(options) };
}

function readSchema(): Schema {
  const rows: Row[] = [];
  const unions: Union[] = [];
  const visit = (node: Node, path: string): void => {
    const prefix = path === '' ? '' : `${path}.`;
    if (node.oneOf !== undefined) unions.push(toUnion(path, node));
    // The keys of a list's entries have the path of the list.
    const inside = [...nodesIn([node.items]), ...nodesIn(node.anyOf), ...nodesIn(node.oneOf)];
    for (const child of inside) visit(child, path);
    for (const [key, child] of Object.entries(readProperties(node))) {
      if (!isPlainObject(child)) continue;
      rows.push(toRow(prefix + key, child, texts(node.required).includes(key)));
      visit(child, prefix + key);
    }
  };
  visit(z.toJSONSchema(runSchema, { io: 'input' }), '');
  return { rows, unions };
}

let read: Schema | undefined;

/** Returns the rows and unions of the schema, which the first call reads. */
export function schemaRows(): Schema {
  read ??= readSchema();
  return read;
}
