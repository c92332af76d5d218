import { expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/define.js';
import { parseConfig } from '../../src/config/parse.js';
import { learningRateAt } from '../../src/method/update-settings.js';
import { readGolden } from '../golden/support.js';

interface Case {
  readonly kind: string;
  readonly options: Record<string, number>;
  readonly learningRate: number;
  readonly steps: number;
  readonly warmup: number;
  readonly rates: readonly number[];
}

const { cases } = readGolden<{ cases: Case[] }>('schedules.json');

test.each(cases)(
  "$kind $options over $steps updates, $warmup of them warm-up: transformers' rates, by transformers' names",
  ({ kind, options, learningRate, steps, warmup, rates }) => {
    const { optimizer } = parseConfig({
      ...{ task: 'reds', model: 'm', max_steps: steps, learning_rate: learningRate },
      ...{ lr_scheduler_type: kind, warmup_steps: warmup },
      ...(Object.keys(options).length > 0 && { lr_scheduler_kwargs: options }),
    } as ConfigInput);
    const found = rates.map((_, at) => learningRateAt(at + 1, steps, optimizer));
    found.forEach((rate, at) => {
      expect(Math.abs(rate - (rates[at] as number)), `update ${at + 1}`).toBeLessThanOrEqual(
        1e-12 * learningRate + 1e-15,
      );
    });
  },
);

test('warmupRatio warms up a share of the updates, rounded up', () => {
  const { optimizer } = parseConfig({ task: 'reds', model: 'm', warmup_ratio: 0.21, learning_rate: 1 });
  expect(learningRateAt(2, 10, optimizer)).toBeCloseTo(1 / 3, 12);
  const same = parseConfig({ task: 'reds', model: 'm', warmup_steps: 0.21, learning_rate: 1 });
  expect(same.optimizer).toEqual(optimizer);
});
