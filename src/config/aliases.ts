/** Every name of TRL and prime-rl for a path of our schema. */
import type { Alias, Translation } from './alias.js';
import { isPlainObject } from './layer.js';
import { objectiveAliases } from './objective-aliases.js';
import { schemaRows } from './rows.js';
import { runAliases } from './run-aliases.js';
import { takesAny, takesNumber, takesTexts } from './takes.js';

/** prime-rl counts rollouts where we count starts. */
const rolloutsToStarts: Translation = (value, given) => {
  const starts = Number(value) / Number(given.at('groupSize') ?? Number.NaN);
  if (Number.isInteger(starts) && starts > 0) return { value: starts };
  return { problem: 'counts rollouts: add a group size that divides it, or set startsPerBatch' };
};

/** prime-rl lists environments; a run trains one task. TRL's `env` sets environment variables. */
const onlyEnvironment: Translation = (value) => {
  const list = Array.isArray(value) ? value : [value];
  const [first] = list;
  if (list.length === 1 && isPlainObject(first) && typeof first.id === 'string') return { value: first.id };
  return {
    problem:
      'needs exactly one entry with an `id`; otherwise set task. A config sets no environment variables: set them in the shell',
  };
};

/** Names whose values are translated, or that set several keys. */
const translated: Readonly<Record<string, Alias>> = {
  batch_size: { to: 'startsPerBatch', takes: takesNumber, translate: rolloutsToStarts },
  env: { to: 'task', takes: takesAny, translate: onlyEnvironment },
  // transformers keeps the stop text in the completion, vLLM does not.
  'generation_kwargs.stop_strings': {
    to: 'sampling.stop',
    takes: takesTexts,
    implies: () => ({ 'sampling.includeStopText': true }),
  },
  ...objectiveAliases,
  ...runAliases,
};

const plainAliases = (): [string, Alias][] =>
  schemaRows().rows.flatMap(({ path, trl, takesNull }) =>
    trl.map((name): [string, Alias] => [name, { to: path, takesNull }]),
  );

let table: Readonly<Record<string, Alias>> | undefined;

/** Returns every alias by name: the schema's column `trl`, and those that are translated. */
export function aliases(): Readonly<Record<string, Alias>> {
  table ??= { ...Object.fromEntries(plainAliases()), ...translated };
  return table;
}
