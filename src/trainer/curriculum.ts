/** The curriculum that a method stands for. */
import type { Curriculum } from '../curriculum/curriculum.js';
import { createExitCurriculum } from '../curriculum/exit.js';
import { createUniformCurriculum } from '../curriculum/uniform.js';
import type { TaskFamily } from '../task/task.js';
import { methods } from './methods.js';
import type { TrainSettings } from './settings.js';

/** `grpo` draws base tasks uniformly; the others replay the buffer's starts. */
export function createCurriculum(config: TrainSettings, family: TaskFamily): Curriculum {
  const { curriculum, expand, diverge } = methods[config.method];
  const tasks = family.tasks('train');
  if (curriculum === 'uniform') return createUniformCurriculum({ tasks });
  return createExitCurriculum({
    family,
    tasks,
    ...config.buffer,
    replayProbability: config.replayProbability,
    divergeProbability: diverge ? config.divergeProbability : 0,
    expand,
  });
}
