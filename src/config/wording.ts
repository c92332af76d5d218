/** Words the schema's issues as plain sentences. */
import type { z } from 'zod';
import { describeValue, shortened } from '../shown.js';

const nouns: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  record: 'an object of settings',
  object: 'an object of settings',
};

function wordType({ expected }: z.core.$ZodIssueInvalidType, value: unknown): string {
  const isNumber = typeof value === 'number';
  const noun = isNumber && !Number.isFinite(value) ? 'a finite number' : (nouns[expected] ?? expected);
  return `must be ${noun}, not ${describeValue(value)}`;
}

/** Words a bound; undefined for bounds of a text or a list other than "not empty". */
function wordBound(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return undefined;
  const isNumber = issue.origin === 'number' || issue.origin === 'int';
  if (issue.code === 'too_big') {
    return isNumber ? `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}` : undefined;
  }
  if (isNumber) return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
  return issue.minimum === 1 ? 'must not be empty' : undefined;
}

/** Lists the allowed values; undefined when the issue has no list. */
export function listChoices(issue: z.core.$ZodIssue): readonly string[] | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  return issue.code === 'invalid_union' && 'options' in issue ? [issue.options].flat().map(String) : undefined;
}

/** Writes a value as JSON does, but numbers that JSON lacks by their names. */
function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return shortened(text);
}

/** Words an issue about `value`, which is set. */
export function wordIssue(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_type') return wordType(issue, value);
  const choices = listChoices(issue);
  const rule = choices === undefined ? (wordBound(issue) ?? issue.message) : `choose one of ${choices.join(', ')}`;
  return `${shown(value)} is not allowed: ${rule}`;
}
