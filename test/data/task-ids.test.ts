import { expect, test } from 'vitest';
import { promptsFamily } from '../../src/data/prompts-family.js';
import { taskIds } from '../../src/data/task-ids.js';
import { dataFolder, load } from './support.js';

const folder = dataFolder();
const rows = (...ids: readonly unknown[]) =>
  ids.map((id) => ({ prompt: 'p', columns: id === undefined ? {} : { id } }));

test('a column id names the tasks where every row has one of its own', () => {
  expect(taskIds('train', rows('b', 'a'))).toEqual(['train-b', 'train-a']);
  expect(taskIds('test', rows(7, '8'))).toEqual(['test-7', 'test-8']);
  for (const ids of [
    ['a', 'a'],
    ['1', 1],
    ['a', undefined],
    ['a', null],
    ['a', ''],
    [0.5, 1],
    [{}, 'a'],
  ]) {
    expect(taskIds('train', rows(...ids))).toEqual(['train-1', 'train-2']);
  }
});

test('a shuffled or cut file has the same tasks', async () => {
  const lines = ['x', 'y', 'z'].map((id) => JSON.stringify({ id, prompt: `prompt ${id}` }));
  const tasksOf = async (name: string, chosen: readonly (string | undefined)[]) => {
    const data = await load({ train: [await folder.write(name, chosen.join('\n'))] });
    return promptsFamily({ data, previousAnswer: 'text' }).tasks('train');
  };
  const [x, y, z] = await tasksOf('all.jsonl', lines);
  expect(await tasksOf('some.jsonl', [lines[2], lines[0]])).toEqual([z, x]);
  expect(y?.id).toBe('train-y');
});
