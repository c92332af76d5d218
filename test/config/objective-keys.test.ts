/** Compares the keys and values of the objective's schema with those that the engine reads, and with docs/objectives.md. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import { defaultUpdate, objective, type UpdateSettings } from '../../src/policy/settings.js';
import { shippedModel } from '../../src/shipped-models.js';
import { toBatch } from '../golden/support.js';

type Node = Readonly<Record<string, unknown>>;

/** A place of the objective, settings that hold it, and the words that the schema allows there. */
interface Place {
  readonly path: string;
  readonly settings: Node;
  readonly words: readonly string[];
}

const properties = (node: Node): Record<string, Node> => (node.properties ?? {}) as Record<string, Node>;
const listed = (node: Node): string[] => [node.enum ?? node.const ?? []].flat().map(String);
const variants = (node: Node): Node[] => (node.oneOf ?? []) as Node[];
const kindsOf = (variant: Node): string[] => listed(properties(variant).kind ?? {});

/** Finds the sections, the kinds and the plain enums below a node; `hold` puts a value there. */
function placesIn(path: string, node: Node, hold: (value: unknown) => Node): { sections: Place[]; values: Place[] } {
  if (variants(node).length > 0) {
    const sections = variants(node).flatMap((variant) =>
      kindsOf(variant).map((kind) => {
        const words = Object.keys(properties(variant)).filter((key) => key !== 'kind');
        return { path: `${path} ${kind}`, settings: hold({ kind, unheard: 1 }), words };
      }),
    );
    const others = path === 'objective.loss' ? [supervised] : [];
    const words = [...variants(node).flatMap(kindsOf), ...others];
    const inside = variants(node).map((variant) => {
      const [kind] = kindsOf(variant);
      return placesBelow(`${path} ${kind}`, variant, (key, value) => hold({ kind, [key]: value }));
    });
    return {
      sections: [...sections, ...inside.flatMap((places) => places.sections)],
      values: [{ path, settings: hold({ kind: 'unheard' }), words }, ...inside.flatMap((places) => places.values)],
    };
  }
  if (node.properties !== undefined) {
    const below = placesBelow(path, node, (key, value) => hold({ [key]: value }));
    const words = Object.keys(properties(node)).filter((key) => !notCrossing.includes(key));
    return { sections: [{ path, settings: hold({ unheard: 1 }), words }, ...below.sections], values: below.values };
  }
  return {
    sections: [],
    values: node.enum === undefined ? [] : [{ path, settings: hold('unheard'), words: listed(node) }],
  };
}

function placesBelow(
  path: string,
  node: Node,
  hold: (key: string, value: unknown) => Node,
): ReturnType<typeof placesIn> {
  const children = Object.entries(properties(node)).filter(([key]) => key !== 'kind');
  const places = children.map(([key, child]) => placesIn(`${path}.${key}`, child, (value) => hold(key, value)));
  return { sections: places.flatMap(({ sections }) => sections), values: places.flatMap(({ values }) => values) };
}

/** A loss that trainSupervised sets and no config names. */
const supervised = 'supervised';
/** Keys of the section that do not cross to the engine: they split a batch into optimizer steps. */
const notCrossing = ['miniBatches', 'miniBatchOrder'];
const schema = z.toJSONSchema(objective, { io: 'input' }) as Node;
const { sections, values } = placesIn('objective', schema, (value) => value as Node);
const batch = toBatch({ prompts: [[4]], sequences: [{ prompt: 0, tokens: [5, 6], rollout: 0, advantage: 1 }] });

let policy: LocalPolicy;
beforeAll(async () => {
  policy = await LocalPolicy.load(shippedModel('tiny'), { device: 'cpu', threads: 1 });
});
afterAll(() => policy.close());

/** The engine refuses a word that it does not know and lists those that it reads there. */
async function readByEngine(settings: Node): Promise<{ readonly refused: string; readonly words: string[] }> {
  const asked = { ...defaultUpdate, objective: merge(defaultUpdate.objective, settings) } as unknown as UpdateSettings;
  const error: unknown = await policy.update(batch, asked).catch((reason: unknown) => reason);
  const [, refused = '', known = ''] = /(unknown \w+ `\w+`), (.*)$/.exec(String((error as Error).message)) ?? [];
  return { refused, words: [...known.matchAll(/`([\w-]+)`/g)].map(([, word = '']) => word).sort() };
}

/** Replaces values; a section without `kind` keeps its other keys, so that the engine meets the unheard word first. */
function merge(whole: Node, part: Node): Node {
  const entries = Object.entries(part).map(([key, value]) => {
    const isSection = typeof value === 'object' && value !== null && !('kind' in value);
    return [key, isSection ? merge(whole[key] as Node, value as Node) : value];
  });
  return { ...whole, ...Object.fromEntries(entries) };
}

test('the schema has sections, kinds and enums to compare', () => {
  expect(sections.map(({ path }) => path)).toEqual(expect.arrayContaining(['objective.kl', 'objective.loss cispo']));
  expect(sections.length).toBeGreaterThan(15);
  expect(values.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['objective.loss', 'objective.kl.estimator', 'objective.correction token.beyond']),
  );
});

test.each(sections)('the engine reads exactly the keys of $path', async ({ settings, words }) => {
  expect(await readByEngine(settings)).toEqual({ refused: 'unknown field `unheard`', words: [...words].sort() });
});

test.each(values)('the engine reads exactly the values of $path', async ({ settings, words }) => {
  expect(await readByEngine(settings)).toEqual({ refused: 'unknown variant `unheard`', words: [...words].sort() });
});

const keys = [...new Set(sections.flatMap(({ words }) => words))];
const page = readFileSync(new URL('../../docs/objectives.md', import.meta.url), 'utf8');

test('docs/objectives.md explains every key and value', () => {
  const spans = [...page.matchAll(/`([^`]+)`/g)].flatMap(([, span = '']) => span.match(/[\w-]+/g) ?? []);
  const known = new Set(spans);
  const words = [...keys, ...values.flatMap((place) => place.words)].filter((word) => word !== supervised);
  expect(words.filter((word) => !known.has(word))).toEqual([]);
});

test('the first column of the table of losses holds keys of the schema alone', () => {
  const [, section = ''] = page.split(/^## A token's loss$/m);
  const [table = ''] = section.split(/^##/m);
  const cells = [...table.matchAll(/^\| (`[^|]+|… `[^|]+) \|/gm)].map(([, cell = '']) => cell);
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([\w.]+)/g)].map(([, key = '']) => key.split('.').at(-1)));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((key) => !keys.includes(key ?? ''))).toEqual([]);
});
