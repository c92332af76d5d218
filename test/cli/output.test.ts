/** JSON has no NaN and no infinity: an unknown number is left out, and a list that holds one is refused. */
import { afterEach, expect, test, vi } from 'vitest';
import { printJson } from '../../src/cli/output.js';
import { NonFiniteError } from '../../src/errors.js';

afterEach(() => vi.restoreAllMocks());

test('a number that is unknown is left out of its object, at any depth', async () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await printJson({ mean: 1, deviation: Number.NaN, nested: { range: Number.POSITIVE_INFINITY, n: 0 }, none: null });
  expect(write).toHaveBeenCalledWith('{"mean":1,"nested":{"n":0},"none":null}\n');
});

test('a list of numbers is printed whole or not at all', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(() => printJson({ logprobs: [-1, Number.NaN] })).toThrow(NonFiniteError);
  expect(write).not.toHaveBeenCalled();
});
