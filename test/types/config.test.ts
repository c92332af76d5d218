/** Checks the types of a config that an editor uses: our keys and TRL's are accepted, typos refused. */
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { type ConfigInput, defineConfig, type TrlOptions } from '../../src/config/define.js';
import { parseConfig, type RunConfig } from '../../src/config/parse.js';
import { refusedNames } from '../../src/config/trl-options.js';

describe('defineConfig', () => {
  test('returns its argument', () => {
    const config = defineConfig({ task: 'reds', model: 'm', method: 'grpo', num_generations: 4 });
    expect(config).toEqual({ task: 'reds', model: 'm', method: 'grpo', num_generations: 4 });
    expectTypeOf(parseConfig).parameter(0).toEqualTypeOf<ConfigInput>();
    expectTypeOf(parseConfig).returns.toEqualTypeOf<RunConfig>();
  });

  test("refuses a key that is neither ours nor TRL's, and a value of the wrong type", () => {
    // @ts-expect-error: a typo of model
    defineConfig({ task: 'reds', modle: 'm' });
    // @ts-expect-error: a typo of a nested key
    defineConfig({ task: 'reds', model: 'm', sampling: { temprature: 1 } });
    // @ts-expect-error: a text where a number belongs
    defineConfig({ task: 'reds', model: 'm', updates: 'three' });
    // @ts-expect-error: a typo of a TRL name
    defineConfig({ task: 'reds', model: 'm', num_generation: 4 });
    // @ts-expect-error: no such method
    defineConfig({ task: 'reds', model: 'm', method: 'exitt' });
    // @ts-expect-error: a key of another loss
    defineConfig({ model: 'm', objective: { loss: { kind: 'clip', temperaturePositive: 1 } } });
    // @ts-expect-error: parseConfig checks the same
    expect(() => parseConfig({ task: 'reds', modle: 'x', updtes: 3 })).toThrow(/modle/);
  });

  test('accepts a union by the name of its kind, or with its settings', () => {
    defineConfig({ model: 'm', objective: { loss: 'sapo', normalisation: { kind: 'constant', length: 512 } } });
    expect(parseConfig({ task: 'reds', model: 'm', objective: { loss: 'sapo' } }).objective.loss.kind).toBe('sapo');
  });
});

/** Reads the keys of the interface from its source. */
function declaredOptions(): string[] {
  const file = new URL('../../src/config/define.ts', import.meta.url);
  const source = ts.createSourceFile('define.ts', readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const declared = source.statements.find(
    (one): one is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(one) && one.name.text === 'TrlOptions',
  );
  return (declared?.members ?? ([] as ts.TypeElement[])).map((member) => member.name?.getText() ?? '');
}

const golden = readFileSync(new URL('../golden/trl-fields.json', import.meta.url), 'utf8');
const trlNames = Object.keys(Object.assign({}, ...Object.values(JSON.parse(golden))));
/** Options from outside TRL's three classes: its callbacks, vLLM's arguments, and transformers before version 5. */
const besides = [
  ...[
    'early_stopping_patience',
    'early_stopping_threshold',
    'generation_kwargs',
    'warmup_ratio',
    'no_cuda',
    'torch_dtype',
  ],
];
/** Options that our own keys of the same name type. */
const ours = ['dtype', 'seed'];

test('the type declares exactly the TRL names that a config accepts', () => {
  const taken = trlNames.filter((name) => !refusedNames.includes(name) && !ours.includes(name));
  expect(declaredOptions().sort()).toEqual([...taken, ...besides].sort());
  expectTypeOf<TrlOptions['learning_rate']>().toEqualTypeOf<number | null | undefined>();
});
