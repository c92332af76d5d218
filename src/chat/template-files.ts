/** Reads the chat templates and special tokens of a model folder. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelFolderError } from '../errors.js';

/** The chat templates of a folder. */
export interface ChatFiles {
  /** Template texts by name; `default` is the one used without tools. */
  readonly templates: Readonly<Record<string, string>>;
  /** `bos_token`, `eos_token` and the others, by the names that templates use. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The file of the default template, for error messages. */
  readonly source: string;
}

const tokenNames = ['bos_token', 'eos_token', 'pad_token', 'unk_token', 'sep_token', 'cls_token', 'mask_token'];

function unreadable(file: string, reason: string, cause?: unknown): ModelFolderError {
  return new ModelFolderError('MODEL_FILE', `\`${file}\` cannot be read: ${reason}`, { file, reason }, { cause });
}

/** Beyond it a template or a tokenizer's config is an accident or an attack. */
const mostBytes = 16 * 2 ** 20;

/** A pipe that nobody writes to is refused, not waited for. */
function readRegular(file: string): string {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw unreadable(file, 'it is not a regular file');
    if (found.size > mostBytes) throw unreadable(file, `it has ${found.size} bytes; at most ${mostBytes} are read`);
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function readText(file: string): string | undefined {
  try {
    return readRegular(file);
  } catch (error) {
    if (ModelFolderError.isInstance(error)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(file, message, error);
  }
}

function readJson(file: string): Readonly<Record<string, unknown>> {
  const text = readText(file);
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw unreadable(file, (error as Error).message, error);
  }
  throw unreadable(file, 'it is not a JSON object');
}

/** `chat_template` of tokenizer_config.json: one text, or a list of named ones. */
function templatesOf(file: string, value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'string') return { default: value };
  const list = Array.isArray(value) ? value : [value];
  const entries = list.map((one): [string, string] => {
    if (typeof one?.name === 'string' && typeof one.template === 'string') return [one.name, one.template];
    throw unreadable(file, '`chat_template` is neither a text nor a list of {"name", "template"}');
  });
  return Object.fromEntries(entries);
}

/** Folders have two or three. */
const mostTemplates = 64;

function additionalTemplates(folder: string): Record<string, string> {
  const additional = join(folder, 'additional_chat_templates');
  let names: string[];
  try {
    names = readdirSync(additional).filter((name) => name.endsWith('.jinja'));
  } catch {
    return {};
  }
  if (names.length > mostTemplates) {
    throw unreadable(additional, `it has ${names.length} templates; at most ${mostTemplates} are read`);
  }
  return Object.fromEntries(
    names.map((name) => [name.slice(0, -'.jinja'.length), readText(join(additional, name)) ?? '']),
  );
}

/** A special token is a text, or an object whose `content` is it. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null && 'content' in value ? value.content : undefined;
  return typeof content === 'string' ? content : undefined;
}

function specialTokensOf(...sources: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const source of sources) {
    for (const name of tokenNames) {
      const text = tokenText(source[name]);
      if (text !== undefined) found[name] = text;
    }
  }
  return found;
}

/** As transformers reads them: template files override tokenizer_config.json. @throws ModelFolderError. */
export function readChatFiles(folder: string): ChatFiles {
  const configFile = join(folder, 'tokenizer_config.json');
  const config = readJson(configFile);
  const ofFile = readText(join(folder, 'chat_template.jinja'));
  const files = { ...additionalTemplates(folder), ...(ofFile === undefined ? {} : { default: ofFile }) };
  const templates = Object.keys(files).length > 0 ? files : templatesOf(configFile, config.chat_template);
  const specialTokens = specialTokensOf(readJson(join(folder, 'special_tokens_map.json')), config);
  return { templates, specialTokens, source: ofFile === undefined ? configFile : join(folder, 'chat_template.jinja') };
}
