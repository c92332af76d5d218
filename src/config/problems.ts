/** Converts the schema's issues into problems that name the key and, for a mistyped one, the nearest known key. */
import type { z } from 'zod';
import type { ConfigProblem } from '../errors.js';
import { nearest } from '../nearest.js';
import { aliases } from './aliases.js';
import { isPlainObject } from './layer.js';
import { batchAliases } from './objective-aliases.js';
import { schemaRows } from './rows.js';
import { switchTakes } from './run-aliases.js';
import { refusedNames } from './trl-options.js';
import { listChoices, wordIssue } from './wording.js';

let known: readonly string[] | undefined;

/** Returns every key and alias that a config may hold. */
export function knownKeys(): readonly string[] {
  known ??= [
    ...schemaRows().rows.map(({ path }) => path),
    ...Object.keys(aliases()),
    ...batchAliases,
    ...Object.keys(switchTakes),
    ...refusedNames,
  ];
  return known;
}

const lastWord = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** Names of other programs, or short forms, that no spelling leads to. */
const otherNames: Readonly<Record<string, string>> = {
  lr: 'optimizer.learningRate',
  r: 'lora.rank',
  batchsize: 'startsPerBatch',
};

/** Suggests a known key for a mistyped one: a sibling, or a key of that name elsewhere in the config. */
function suggestKey(written: string): string | undefined {
  const path = written.replaceAll(/\.\d+(?=\.)/g, '');
  const word = lastWord(path);
  const other = word.toLowerCase();
  if (Object.hasOwn(otherNames, other)) return otherNames[other];
  const parent = path.slice(0, path.length - word.length);
  const beside = knownKeys().filter((key) => key.startsWith(parent) && !key.slice(parent.length).includes('.'));
  const local = nearest(word, beside.map(lastWord));
  if (local !== undefined) return parent + local;
  const elsewhere = nearest(word, knownKeys().map(lastWord));
  return knownKeys().find((key) => lastWord(key) === elsewhere);
}

/** Writes `a.b` as the nested object that a config holds: `a: { b: … }`. */
const nest = (path: string): string =>
  path.split('.').reduceRight((inner, key) => `${key}: ${inner === '…' ? inner : `{ ${inner} }`}`, '…');

/** Hints at the key that was meant; a key with dots is a path, which a config nests. */
function hintAt(path: string, key: string): string | undefined {
  const isPath = key.includes('.') && knownKeys().includes(path);
  if (isPath) return `nest it: \`${nest(key)}\``;
  const suggestion = suggestKey(path);
  return suggestion === undefined ? undefined : `did you mean \`${suggestion}\`?`;
}

/** Bounds the hints of a config with many unknown keys: each is a search. */
const mostSuggestions = 50;

function unknownKeys(issue: z.core.$ZodIssueUnrecognizedKeys): ConfigProblem[] {
  return issue.keys.map((key, at) => {
    const path = [...issue.path, key].join('.');
    const hint = at < mostSuggestions ? hintAt(path, key) : undefined;
    const problem = { key: path, message: 'unknown option' };
    return hint === undefined ? problem : { ...problem, hint };
  });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return value[Number(key)];
    // A text that abbreviates an object is shown at the path of its key.
    return isPlainObject(value) ? value[String(key)] : typeof value === 'string' ? value : undefined;
  }, input);
}

/** Whether the schema wrote the message, rather than zod. */
const isOurs = ({ code, message }: z.core.$ZodIssue): boolean => code === 'custom' || message.startsWith('is required');

/** A reward function is a built-in name or a file. */
const isRewardName = (key: string): boolean => /^rewards\.\d+\.builtIn$/.test(key);

function wrongValue(issue: z.core.$ZodIssue, input: unknown): ConfigProblem {
  const key = issue.path.join('.');
  const value = valueAt(input, issue.path);
  if (value === undefined) return { key, message: isOurs(issue) ? issue.message : 'is required' };
  const message = wordIssue(issue, value) + (isRewardName(key) ? ', or name a file .ts/.js' : '');
  const choices = listChoices(issue);
  if (choices === undefined || typeof value !== 'string') return { key, message };
  const suggestion = nearest(value, choices);
  return suggestion === undefined ? { key, message } : { key, message, hint: `did you mean \`${suggestion}\`?` };
}

/** Selects, for a value that may have several forms, the issues of the intended form: of an object, those inside it. */
function selectForm(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] {
  const inside = (form: readonly z.core.$ZodIssue[]): boolean =>
    form.every(({ path, code }) => path.length > 0 || code === 'unrecognized_keys');
  const form = issue.errors.find(inside) ?? issue.errors[0] ?? [];
  return form.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

function convertIssue(issue: z.core.$ZodIssue, input: unknown): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue);
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return selectForm(issue).flatMap((inner) => convertIssue(inner, input));
  }
  return [wrongValue(issue, input)];
}

/** Lists all problems of `input`, in the schema's order. */
export function listProblems(error: z.ZodError, input: unknown): ConfigProblem[] {
  return error.issues.flatMap((issue) => convertIssue(issue, input));
}
