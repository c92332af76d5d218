// A task of your own with a reward of your own: answer with as many words of colour 3 as possible.
import { shippedModel, type TaskFamily, trainRun } from 'exit-rl';

const threes: TaskFamily = {
  name: 'threes',
  turns: 1,
  tasks: () => [{ id: 'only', data: {} }],
  prompt: () => '<bos> solve a1 b2 c3 d4 e5 a6 b1 c2 d3 e4 previous a? b? c? d? e? answer',
  verify: (_task, _history, answer) => {
    const words = answer.split(' ');
    return { quality: words.filter((word) => word.endsWith('3')).length / 5, wellFormed: words.length === 5 };
  },
};
await trainRun(
  {
    model: shippedModel('tiny'),
    method: 'grpo',
    updates: Number(process.argv[2] ?? 60),
    sampling: { maxNewTokens: 6 },
    optimizer: { learningRate: 1e-3 },
    evaluation: { iterations: 4 },
    threads: 1,
  },
  {
    family: threes,
    reward: ({ quality }) => quality ** 2,
    onUpdate: ({ update, quality }) => console.log(update, quality?.toFixed(3)),
  },
);
