/**
 * The columns of a Parquet file with their types. The library builds objects by assignment and tells columns apart by their
 * joined names, so that `__proto__`, two columns of one name, or a dot in a name would lose values: it reads the file
 * under names of our own, `n1`, `n2` …, and converts nothing but text.
 */
import type { Field } from '@uwdata/flechette';
import type { FileMetaData, RowGroup, SchemaElement, SchemaTree } from 'hyparquet';
import { parquetSchema } from 'hyparquet';
import { type ArrowType, arrowType, readArrowFields } from './arrow-types.js';
import { type ExactLeaf, parquetLeaf } from './parquet-leaves.js';
import { uniqueNames } from './unique-names.js';

/** The type of a value as the library returns it. */
export type ValueType =
  | { readonly kind: 'leaf'; readonly exact: ExactLeaf }
  | {
      readonly kind: 'list';
      readonly element: ValueType;
      /** The key of the object in which the library leaves the list. */
      readonly within?: string;
    }
  | { readonly kind: 'map'; readonly value: ValueType }
  | { readonly kind: 'struct'; readonly fields: readonly ParquetField[] };

/** A column, or a field of a struct. */
export interface ParquetField {
  /** The name in the file; the second column of a name `a` is `a.1`, as pandas reads it. */
  readonly name: string;
  /** The name under which the library reads it. */
  readonly key: string;
  readonly type: ValueType;
}

export interface ParquetColumns {
  /** Under our names. */
  readonly metadata: FileMetaData;
  readonly columns: readonly ParquetField[];
  /** The conversion of the keys of maps, by the joined path of their column. */
  readonly mapKeys: ReadonlyMap<string, ExactLeaf>;
}

interface Renaming {
  readonly elements: SchemaElement[];
  /** The path of each leaf, in the order of the schema. */
  readonly leafPaths: string[][];
  readonly mapKeys: Map<string, ExactLeaf>;
}

type GroupKind = 'LIST' | 'MAP' | undefined;

function groupKind({ converted_type: converted, logical_type: logical }: SchemaElement): GroupKind {
  if (converted === 'LIST' || logical?.type === 'LIST') return 'LIST';
  return converted === 'MAP' || converted === 'MAP_KEY_VALUE' || logical?.type === 'MAP' ? 'MAP' : undefined;
}

/** Adds the element to the schema of our names; text alone keeps its type. */
function addElement({ element, children }: SchemaTree, key: string, { elements }: Renaming): void {
  const { converted_type: _converted, logical_type: _logical, ...rest } = element;
  const kind = children.length > 0 ? groupKind(element) : undefined;
  const isDecimal = element.converted_type === 'DECIMAL' || element.logical_type?.type === 'DECIMAL';
  const isText = element.type === 'BYTE_ARRAY' && !isDecimal;
  const converted = isText ? 'UTF8' : kind;
  elements.push({ ...rest, name: key, ...(converted && { converted_type: converted }) });
}

function isMap({ element, children: [entry] }: SchemaTree): boolean {
  return groupKind(element) === 'MAP' && entry?.children.length === 2;
}

const childField = (hint: ArrowType | undefined, at: number): ArrowType | undefined => hint?.children?.[at]?.type;

/** Adds a node with all below it, and returns its type. `hint` is the type of Arrow's schema where the file has one. */
function addNode(node: SchemaTree, path: string[], hint: ArrowType | undefined, names: Renaming): ValueType {
  addElement(node, path.at(-1) ?? '', names);
  const type = node.children.length > 0 ? groupType(node, path, hint, names) : leafType(node, path, hint, names);
  return node.element.repetition_type === 'REPEATED' ? { kind: 'list', element: type } : type;
}

function leafType(
  { element }: SchemaTree,
  path: string[],
  hint: ArrowType | undefined,
  { leafPaths }: Renaming,
): ValueType {
  leafPaths.push(path);
  return { kind: 'leaf', exact: parquetLeaf(element, hint) };
}

/** pyarrow nests a list or a map in one repeated group; older writers leave the group of an element out. */
function groupType(node: SchemaTree, path: string[], hint: ArrowType | undefined, names: Renaming): ValueType {
  const [child] = node.children;
  if (node.element.logical_type?.type === 'VARIANT') {
    throw new Error(`the column \`${node.path.join('.')}\` has the type variant`);
  }
  if (child && isMap(node)) return mapType(child, [...path, 'n'], childField(hint, 0), names);
  const isList = groupKind(node.element) === 'LIST' && child?.element.repetition_type === 'REPEATED';
  const type = structType(node, path, isList ? undefined : hint, names, isList ? childField(hint, 0) : undefined);
  if (!isList) return type;
  const [bag] = type.fields;
  const element = bag?.type.kind === 'list' ? bag.type.element : undefined;
  if (element === undefined) return type;
  if (element.kind !== 'struct') return { kind: 'list', element };
  // Of a group with one field that field is the element, and the library takes a group with more fields for a struct.
  const [only, ...more] = element.fields;
  if (only && more.length === 0) return { kind: 'list', element: only.type };
  return { kind: 'list', element, within: bag?.key ?? '' };
}

function structType(
  node: SchemaTree,
  path: string[],
  hint: ArrowType | undefined,
  names: Renaming,
  elementHint?: ArrowType,
): ValueType & { readonly kind: 'struct' } {
  const given = uniqueNames(node.children.map(({ element }) => element.name));
  const fields = node.children.map((child, at): ParquetField => {
    const key = `n${at}`;
    const childHint = elementHint ? { typeId: arrowType.struct, children: [wrap(elementHint)] } : childField(hint, at);
    return { name: given[at] ?? '', key, type: addNode(child, [...path, key], childHint, names) };
  });
  return { kind: 'struct', fields };
}

const wrap = (type: ArrowType): Field => ({ name: '', type, nullable: true, metadata: null }) as unknown as Field;

function mapType(entry: SchemaTree, path: string[], hint: ArrowType | undefined, names: Renaming): ValueType {
  addElement(entry, 'n', names);
  const [key, value] = entry.children as [SchemaTree, SchemaTree];
  const keyPath = [...path, 'key'];
  const keyType = addNode(key, keyPath, childField(hint, 0), names);
  names.mapKeys.set(keyPath.join('.'), keyType.kind === 'leaf' ? keyType.exact : (one) => JSON.stringify(one));
  return { kind: 'map', value: addNode(value, [...path, 'value'], childField(hint, 1), names) };
}

/** Renames the paths of a row group: the columns of a group have the order of the schema's leaves. */
function renameGroup(group: RowGroup, leafPaths: readonly string[][]): RowGroup {
  if (group.columns.length !== leafPaths.length) throw new Error('a row group has other columns than the schema');
  const columns = group.columns.map((chunk, at) => {
    const path = leafPaths[at] ?? [];
    return { ...chunk, ...(chunk.meta_data && { meta_data: { ...chunk.meta_data, path_in_schema: path } }) };
  });
  return { ...group, columns };
}

/** Reads the columns of a file's schema. @throws an Error where a row group contradicts it. */
export function readColumns(metadata: FileMetaData): ParquetColumns {
  const tree = parquetSchema(metadata);
  const names: Renaming = { elements: [{ ...tree.element, name: 'root' }], leafPaths: [], mapKeys: new Map() };
  const fields = readArrowFields(metadata.key_value_metadata?.find(({ key }) => key === 'ARROW:schema')?.value);
  const hint = fields.length === tree.children.length ? { typeId: arrowType.struct, children: fields } : undefined;
  const { fields: columns } = structType(tree, [], hint, names);
  const groups = metadata.row_groups.map((group) => renameGroup(group, names.leafPaths));
  const renamed = { ...metadata, schema: names.elements, row_groups: groups };
  return { metadata: renamed, columns, mapKeys: names.mapKeys };
}
