/** The schema as rows: every key that a config may hold, its names elsewhere, and the unions that it belongs to. */
import { z } from 'zod';
import { isPlainObject } from './layer.js';
import { runSchema } from './schema.js';

export interface Row {
  readonly path: string;
  /** Names of TRL and prime-rl for the same value. */
  readonly trl: readonly string[];
  /** Keys that this one replaced. */
  readonly was: readonly string[];
  /** null is a value of its own; elsewhere it means TRL's default. */
  readonly takesNull: boolean;
}

/** A section whose keys depend on its `kind`. */
export interface Union {
  readonly path: string;
  readonly fallback: string;
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
}

interface Schema {
  readonly rows: readonly Row[];
  readonly unions: readonly Union[];
}

type Node = Readonly<Record<string, unknown>>;

const nodesIn = (list: unknown): readonly Node[] => (Array.isArray(list) ? list.filter(isPlainObject) : []);
const texts = (value: unknown): readonly string[] => [value ?? []].flat().map(String);
const propertiesOf = ({ properties }: Node): Node => (isPlainObject(properties) ? properties : {});

function rowOf(path: string, node: Node): Row {
  const takesNull = nodesIn(node.anyOf).some(({ type }) => type === 'null');
  return { path, trl: texts(node.trl), was: texts(node.was), takesNull };
}

function unionOf(path: string, node: Node): Union {
  const options = nodesIn(node.oneOf).flatMap((option) => {
    const properties = propertiesOf(option);
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
    if (node.oneOf !== undefined) unions.push(unionOf(path, node));
    // The keys of a list's entries stand under the list.
    const inside = [...nodesIn([node.items]), ...nodesIn(node.anyOf), ...nodesIn(node.oneOf)];
    for (const child of inside) visit(child, path);
    for (const [key, child] of Object.entries(propertiesOf(node))) {
      if (!isPlainObject(child)) continue;
      rows.push(rowOf(prefix + key, child));
      visit(child, prefix + key);
    }
  };
  visit(z.toJSONSchema(runSchema, { io: 'input' }), '');
  return { rows, unions };
}

let read: Schema | undefined;

/** Read once, when first asked for. */
export function schemaRows(): Schema {
  read ??= readSchema();
  return read;
}
