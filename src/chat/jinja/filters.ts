/** Jinja's filters: `value | name`. */
import { JinjaError, unsupported } from './budget.js';
import { listFilters } from './list-filters.js';
import { filterNames } from './names.js';
import { textFilters } from './text-filters.js';
import { valueFilters } from './value-filters.js';
import type { Arguments, FilterFunction, Value } from './values.js';

const filters: Readonly<Record<string, FilterFunction>> = {
  ...valueFilters,
  ...textFilters,
  ...listFilters(callFilter),
};

/** `value | name(args)`. @throws JinjaError. */
export function callFilter(name: string, value: Value, args: Arguments): Value {
  const filter = Object.hasOwn(filters, name) ? filters[name] : undefined;
  if (filter !== undefined) return filter(value, args);
  if (filterNames.has(name)) unsupported(`the filter \`${name}\``);
  throw new JinjaError(`No filter named '${name}' found.`);
}
