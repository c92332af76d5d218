/**
 * Reads the text of a config file. Whole numbers that JavaScript would round, and plain scalars of YAML, keep their text until
 * the type of their key is known.
 */
import { isSettings } from './layer.js';
import { Written } from './written.js';

type Yaml = typeof import('yaml');

/** A scalar of YAML as YAML 1.2 reads it: whole numbers as numbers where they are kept exactly. */
function readScalar(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

const keptText = (text: string, read: unknown): Written => new Written([text], { read });

/** Parses a document of YAML, whose JSON is a part. @throws Error with line and column. */
function parseDocument({ parseDocument: parse }: Yaml, text: string) {
  const document = parse(text, { merge: true, intAsBigInt: true, logLevel: 'error' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw problem;
  return document;
}

/** Reads YAML 1.2 with merge keys; every plain scalar is `Written`. @throws Error with line and column. */
export async function readYaml(text: string): Promise<unknown> {
  const yaml = await import('yaml');
  const document = parseDocument(yaml, text);
  yaml.visit(document, {
    Scalar(key, node) {
      if (key === 'key' || node.type !== 'PLAIN') return;
      node.value = keptText(node.source ?? '', readScalar(node.value));
    },
  });
  return document.toJS() as unknown;
}

/** Reads JSON, and refuses keys that are given twice. @throws Error with line and column. */
export async function readJson(text: string): Promise<unknown> {
  JSON.parse(text);
  const yaml = await import('yaml');
  const document = parseDocument(yaml, text);
  yaml.visit(document, {
    Scalar(key, node) {
      const value = readScalar(node.value);
      if (key !== 'key') node.value = typeof value === 'bigint' ? keptText(node.source ?? '', value) : value;
    },
  });
  return document.toJS() as unknown;
}

/** A date of TOML is its text. */
function plainToml(value: unknown): unknown {
  if (typeof value === 'bigint') return keptText(String(value), value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainToml);
  if (!isSettings(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, plainToml(child)]));
}

/** Reads TOML. @throws Error with line and column. */
export async function readToml(text: string): Promise<unknown> {
  const { parse } = await import('smol-toml');
  return plainToml(parse(text, { integersAsBigInt: 'asNeeded' }));
}
