/** What one key asks of another. */

/** The keys that are looked at here, as far as they were given and right by themselves. */
export interface Related {
  readonly task?: string | undefined;
  readonly data?: unknown;
  readonly verifier?: unknown;
  readonly rewards?: readonly unknown[] | undefined;
}

export interface Rule {
  /** The key that the problem is reported at. */
  readonly key: string;
  readonly message: string;
  readonly holds: (run: Related) => boolean;
}

const isGiven = (value: unknown): boolean => value !== undefined;

export const rules: readonly Rule[] = [
  { key: 'task', message: 'is required, or data', holds: ({ task, data }) => isGiven(task) || isGiven(data) },
  {
    key: 'data',
    message: 'the task `prompts` needs data.train',
    holds: ({ task, data }) => task !== 'prompts' || isGiven(data),
  },
  {
    key: 'task',
    message: 'brings its own tasks; leave out task or data',
    holds: ({ task, data }) => !isGiven(data) || !isGiven(task) || task === 'prompts',
  },
  {
    key: 'rewards',
    message: 'data needs a reward function, or a verifier',
    holds: ({ data, verifier, rewards }) => !isGiven(data) || isGiven(verifier) || (rewards ?? []).length > 0,
  },
  {
    key: 'verifier',
    message: 'measures answers to data, which is not given',
    holds: ({ data, verifier }) => !isGiven(verifier) || isGiven(data),
  },
];
