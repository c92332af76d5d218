/**
 * Every number that crosses the native border is the number that was given, or an error that names its key. The verbs and
 * their numbers are read from binding.d.ts: a new one has to be added here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InvalidRequestError } from '../../src/errors.js';
import { crossing, native } from '../../src/native.js';
import { nativeSettings } from '../../src/policy/native-settings.js';
import { missingEngine, tinyModel } from '../cli/support/cli.js';
import { onPolicySettings, temporaryFolder } from '../golden/support.js';

const declarations = readFileSync(join(fileURLToPath(new URL('../..', import.meta.url)), 'binding.d.ts'), 'utf8');

type Json = { readonly [key: string]: unknown };
type Call = (...values: unknown[]) => unknown;

const load = {
  device: 'cpu',
  dtype: 'fp32',
  threads: 1,
  reference: false,
  slots: 4,
  backend: 'auto',
  trainable: false,
};
const patterns = { rankPattern: { q_proj: 3 }, alphaPattern: { q_proj: 5 } };
const lora = {
  rank: 2,
  alpha: 4,
  dropout: 0,
  rankStabilised: false,
  dora: false,
  ...patterns,
  modulesToSave: [],
  seed: 3,
};
const loadOptions = { ...load, stateDtype: 'fp32', lora };
const rules = {
  repetitionPenalty: 1.5,
  noRepeatNgramSize: 0,
  badWordsIds: [[5, 6]],
  suppressTokens: [7],
  beginSuppressTokens: [8],
  minNewTokens: 0,
  minLength: 0,
};
const request = {
  ...{ prompt: Int32Array.of(1, 2), n: 1, temperature: 1, topK: 0, topP: 1, minP: 0, maxNewTokens: 2 },
  ...{ stopTokenIds: [9], stopTexts: [], includeStopText: false, rules, seed: 1, requestId: 2, ticket: 0 },
};
const batch = {
  promptTokens: Int32Array.of(1, 2),
  promptOffsets: Uint32Array.of(0, 2),
  tokens: Int32Array.of(3, 4),
  offsets: Uint32Array.of(0, 2),
  prompt: Uint32Array.of(0),
  rollout: Uint32Array.of(0),
  advantage: Float32Array.of(1),
  mask: new Uint8Array(),
  behaviourLogprobs: new Float32Array(),
  step: new Uint32Array(),
};
const workload = {
  ...{ prompts: 1, groupSize: 1, promptTokens: 8, newTokens: 8, microbatchTokens: 64, logitsBytes: 1024 },
  ...{ gradientCheckpointing: false, asynchronousSaving: false },
};
const ngrams = { unit: 'word', minimum: 1, maximum: 2, dimension: 8 };
const embedder = { device: 'cpu', dtype: 'fp32', threads: 1, backend: 'auto', maxTokens: 8 };

/** Valid values of every verb that takes a number, by the names of binding.d.ts. */
const verbs: Readonly<Record<string, Json>> = {
  'NativePolicy.load': { folder: tinyModel, options: loadOptions },
  'NativePolicy.generate': { request },
  'NativePolicy.logprobs': { batch, temperature: 1, microbatchTokens: 64, logitsBytes: 1024 },
  'NativePolicy.states': { batch, pooling: 'mean', microbatchTokens: 64 },
  'NativePolicy.update': { batch, settings: onPolicySettings, ticket: 0 },
  'NativePolicy.evaluate': { batch, settings: onPolicySettings, ticket: 0 },
  'NativePolicy.blendReference': { alpha: 0.5 },
  'NativePolicy.save': { folder: 'unused', maxShardBytes: 1e9 },
  'NativePolicy.saveTraining': { folder: 'unused', maxShardBytes: 1e9 },
  'NativeSnapshot.write': { folder: 'unused', maxShardBytes: 1e9 },
  'NativeEmbedder.load': { folder: tinyModel, options: embedder },
  'NativeEmbedder.embed': { texts: [], ticket: 0 },
  cancel: { ticket: 0 },
  diversity: { embeddings: new Float32Array(4), dimension: 2, groupOffsets: Uint32Array.of(0, 2), clamp: 2 },
  embedNgrams: { texts: ['a'], options: ngrams },
  estimateMemory: { folder: tinyModel, options: loadOptions, workload },
};

/** Real numbers, whose own ranges the engine knows; every other number is whole. */
const real = /temperature|topP|minP|repetitionPenalty|alpha|dropout|clamp|settings\.(?!microbatchTokens|logitsBytes)/;
/** Whole numbers up to 2^53; the others end at 2^32. */
const wide = /seed|requestId|ticket|Bytes|^microbatchTokens|settings\.microbatchTokens/;

const notFinite = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
const fraction = fc.double({ min: -1e9, max: 1e9, noNaN: true }).filter((value) => !Number.isInteger(value));
const negative = fc.integer({ min: -(2 ** 31), max: -1 });
const beyond = (least: number) =>
  fc.constantFrom(least, least + 2, 2 * least, Number.MAX_VALUE).filter((value) => value >= least);

const wrongNumber = (key: string): fc.Arbitrary<number> => {
  if (real.test(key)) return notFinite;
  return fc.oneof(notFinite, fraction, negative, beyond(wide.test(key) ? 2 ** 53 : 2 ** 32));
};

/** Paths of all numbers of a value, typed arrays aside: those hold nothing else. */
function numberPaths(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value === 'number') return [path];
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => numberPaths(child, [...path, key]));
}

function replaced(value: unknown, [first, ...rest]: readonly string[], by: unknown): unknown {
  if (first === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as Json) };
  Reflect.set(copy, first, replaced(Reflect.get(copy, first), rest, by));
  return copy;
}

/** The names of numbers that binding.d.ts declares in arguments, by verb. */
function declaredNumbers(verb: string): string[] {
  const [owner, name = owner] = verb.split('.');
  const body =
    owner === name ? declarations : (new RegExp(`class ${owner} \\{[\\s\\S]*?^\\}`, 'm').exec(declarations)?.[0] ?? '');
  const [, parameters = ''] = new RegExp(`(?:function |static |^ {2})${name}\\(([^\\n]*?)\\): `, 'm').exec(body) ?? [];
  return parameters.split(', ').flatMap((parameter) => {
    const [key = '', type = ''] = parameter.split(/\??: /);
    return numbersOf(key, type);
  });
}

function numbersOf(key: string, type: string): string[] {
  if (/^(Array<)*number>*$/.test(type)) return [key];
  if (!/^\w+$/.test(type)) return [];
  const fields = new RegExp(`^export interface ${type} \\{([\\s\\S]*?)^\\}`, 'm').exec(declarations)?.[1] ?? '';
  return [...fields.matchAll(/^ {2}(\w+)\??: (\S+)$/gm)].flatMap(([, field = '', of = '']) => numbersOf(field, of));
}

const verbsOfDeclarations = (): string[] => {
  const classes = [...declarations.matchAll(/class (\w+) \{[\s\S]*?^\}/gm)].flatMap(([body, owner]) =>
    [...body.matchAll(/^ {2}(?:static )?(\w+)\(/gm)].map(([, name]) => `${owner}.${name}`),
  );
  const functions = [...declarations.matchAll(/^export declare function (\w+)\(/gm)].map(([, name = '']) => name);
  return [...classes, ...functions].filter((verb) => declaredNumbers(verb).length > 0);
};

test('the verbs above are those of binding.d.ts with a number, and have all their numbers', () => {
  expect(Object.keys(verbs).sort()).toEqual(verbsOfDeclarations().sort());
  for (const [verb, values] of Object.entries(verbs)) {
    const given = new Set(numberPaths(values).flat());
    expect(
      declaredNumbers(verb).filter((key) => !given.has(key)),
      verb,
    ).toEqual([]);
  }
});

describe.skipIf(missingEngine !== undefined)('the border', () => {
  let binding: Record<string, unknown>;
  const instances = new Map<string, object>();
  beforeAll(async () => {
    binding = native('cpu') as unknown as Record<string, unknown>;
    const { NativePolicy } = native('cpu');
    const policy = await NativePolicy.load(tinyModel, {
      ...load,
      stateDtype: 'fp32',
      reference: true,
      trainable: true,
    });
    instances.set('NativePolicy', policy);
    instances.set('NativeSnapshot', await policy.snapshot());
  });
  afterAll(() => (instances.get('NativePolicy') as { close(): Promise<void> }).close());

  const call = (verb: string, values: Json): Promise<unknown> => {
    const [owner = '', name] = verb.split('.');
    const target = name === undefined ? binding : name === 'load' ? (binding[owner] as object) : instances.get(owner);
    return crossing(() => {
      // Settings of an update cross as JSON, which has no number that is not finite.
      const passed = 'settings' in values ? { ...values, settings: nativeSettings(values.settings as never) } : values;
      return Reflect.apply(Reflect.get(target as object, name ?? owner) as Call, target, Object.values(passed));
    });
  };
  const refusal = (verb: string, values: Json): Promise<unknown> =>
    call(verb, values).then(
      () => undefined,
      (error: unknown) => error,
    );

  // An embedder needs a folder of sentence-transformers; its `embed` is checked where there is one.
  const cases = Object.entries(verbs)
    .filter(([verb]) => verb !== 'NativeEmbedder.embed')
    .flatMap(([verb, values]) => numberPaths(values).map((path) => [verb, path.join('.'), values, path] as const));

  test.each(cases)('%s refuses a wrong number as %s', async (verb, _name, values, path) => {
    const key = path.findLast((part) => !/^\d+$/.test(part)) ?? '';
    const given =
      verb === 'NativeSnapshot.write' || verb.includes('save') ? { ...values, folder: temporaryFolder() } : values;
    await fc.assert(
      fc.asyncProperty(wrongNumber(path.join('.')), async (wrong) => {
        const error = await refusal(verb, replaced(given, path, wrong) as Json);
        expect(error, `${wrong}`).toBeInstanceOf(InvalidRequestError);
        expect((error as InvalidRequestError).message).toContain(key);
        expect(String((error as InvalidRequestError).fields.key)).toContain(key);
      }),
      { numRuns: 12 },
    );
  });

  const objects = cases.filter(([, , , path]) => path.length > 1 && !path.includes('settings'));
  test.each(objects)('%s refuses an unknown key beside %s', async (verb, _name, values, path) => {
    const parent = path.slice(0, path.findIndex((part) => /^\d+$/.test(part)) - 1);
    const around = parent.length > 0 ? parent : path.slice(0, -1);
    const object = around.reduce<unknown>((value, key) => Reflect.get(value as object, key), values);
    const error = await refusal(verb, replaced(values, around, { ...(object as Json), thread: 1 }) as Json);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', fields: { key: expect.stringContaining('thread') } });
  });
});
