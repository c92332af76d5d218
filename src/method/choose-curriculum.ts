/** Creates the curriculum of a method. */

import { listTasks } from '../task/check.js';
import type { TaskFamily } from '../task/task.js';
import type { Curriculum } from './curriculum.js';
import { createExitCurriculum } from './exit.js';
import { methods } from './methods.js';
import type { TrainSettings } from './train-settings.js';
import { createUniformCurriculum } from './uniform.js';

/** Creates the curriculum of the config's method: `grpo` draws base tasks only, the others replay starts from the buffer. */
export function createCurriculum(config: TrainSettings, family: TaskFamily): Curriculum {
  const { curriculum, expand, diverge } = methods[config.method];
  const tasks = listTasks(family, 'train');
  const order = { order: config.taskOrder, seed: config.seed };
  if (curriculum === 'uniform') return createUniformCurriculum({ tasks, order });
  return createExitCurriculum({
    family,
    tasks,
    order,
    ...config.buffer,
    replayProbability: config.replayProbability,
    divergeProbability: diverge ? config.divergeProbability : 0,
    expand,
  });
}
