/** The types of values that a key takes, and the conversion of a written text to one of them. */
import { isPlainObject } from './layer.js';

/** The types that a key takes; a written text is converted to the first that fits. */
export interface Takes {
  readonly text?: boolean;
  /** The only texts that are allowed; absent allows all. */
  readonly choices?: readonly string[];
  readonly number?: boolean;
  readonly flag?: boolean;
  readonly object?: boolean;
  /** The types of a list's entries. */
  readonly list?: Takes;
  /** The types of an object's values, where its keys are free. */
  readonly values?: Takes;
  /** Any type: a text is read as JSON, where it is JSON. */
  readonly any?: boolean;
}

export const takesText: Takes = { text: true };
export const takesFlag: Takes = { flag: true };
export const takesNumber: Takes = { number: true };
export const takesTexts: Takes = { text: true, list: takesText };
export const takesAny: Takes = { any: true };
export const takesObject: Takes = { object: true, values: takesAny };

type Node = Readonly<Record<string, unknown>>;

/** Lists the objects of a list of JSON Schema. */
export const nodesIn = (list: unknown): readonly Node[] => (Array.isArray(list) ? list.filter(isPlainObject) : []);

/** Unites the types of two forms of a value; a form that takes any text lifts the choices of the other. */
export function unite(one: Takes, other: Takes): Takes {
  const { choices: left, ...first } = one;
  const { choices: right, ...second } = other;
  const choices = one.text && other.text ? left && right && [...new Set([...left, ...right])] : (left ?? right);
  return { ...first, ...second, ...(choices && { choices }) };
}

function takesTextOf(node: Node): Takes {
  const only = node.const ?? node.enum;
  const choices = only === undefined ? {} : { choices: [only].flat().map(String) };
  return { text: true, ...choices };
}

function takesListOf({ items, prefixItems }: Node): Takes {
  const entries = [...nodesIn([items]), ...nodesIn(prefixItems)].map(readTakes);
  return { list: entries.length === 0 ? takesAny : entries.reduce(unite) };
}

/** Reads the types from a node of the JSON schema. */
export function readTakes(node: Node): Takes {
  const forms = [...nodesIn(node.anyOf), ...nodesIn(node.oneOf)];
  if (forms.length > 0) return forms.map(readTakes).reduce(unite);
  switch (node.type) {
    case 'string':
      return takesTextOf(node);
    case 'number':
    case 'integer':
      return takesNumber;
    case 'boolean':
      return takesFlag;
    case 'array':
      return takesListOf(node);
    case 'object':
      return isPlainObject(node.additionalProperties)
        ? { object: true, values: readTakes(node.additionalProperties) }
        : { object: true };
    case 'null':
      return {};
    default:
      return takesAny;
  }
}
