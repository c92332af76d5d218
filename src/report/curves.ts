/** Renders the page's small plots of training: one per metric, with a line per method. */

import { compact, percent } from './format.js';
import { lookOf, orderMethods } from './method-order.js';
import { legend, type Plot, renderPlot } from './plot.js';
import type { RunData } from './run-data.js';
import { type MethodCurve, methodCurves } from './series.js';
import { escapeHtml } from './text.js';

interface Panel {
  readonly metric: string;
  readonly title: string;
  readonly note: string;
  readonly format?: (value: number) => string;
  readonly show?: readonly number[];
  /** True for a metric of the evaluations during training: the updates between them have none. */
  readonly joined?: boolean;
}

const inPercent = (value: number) => percent(value, value < 0.1 && value > 0 ? 1 : 0);

/** Metrics of learning, the most important first. */
const learning: readonly Panel[] = [
  { metric: 'reward', title: 'Reward', note: 'mean over rollouts', show: [0] },
  { metric: 'quality', title: 'Quality', note: 'mean over rollouts, 0 to 1', show: [0] },
  { metric: 'solved', title: 'Solved', note: '% of rollouts with quality 1', format: inPercent, show: [0] },
  { metric: 'entropy', title: 'Entropy', note: 'nats per token', show: [0] },
  { metric: 'kl', title: 'KL', note: 'to the reference policy, k3', show: [0] },
  { metric: 'grad_norm', title: 'Gradient norm', note: 'before clipping', show: [0] },
  { metric: 'completions/mean_length', title: 'Completion length', note: 'tokens, mean' },
  {
    metric: 'frac_reward_zero_std',
    title: 'Groups without signal',
    note: '% with equal rewards',
    format: inPercent,
    show: [0],
  },
];

/** Metrics of rewrites: whether the policy learns to improve. */
const rewrites: readonly Panel[] = [
  { metric: 'quality/attempt', title: 'Quality of attempts', note: 'mean, 0 to 1', show: [0] },
  { metric: 'quality/improve', title: 'Quality of improvements', note: 'mean, 0 to 1', show: [0] },
  { metric: 'gain/improve', title: 'Gain', note: 'quality over the previous answer, mean', show: [0] },
  {
    metric: 'repeated/improve',
    title: 'Repeated answers',
    note: '% of improvements, verbatim',
    format: inPercent,
    show: [0],
  },
];

/** Metrics of the starts that the curriculum selects. */
const starts: readonly Panel[] = [
  { metric: 'curriculum/depth', title: 'Depth', note: 'iterates in a start, mean', show: [0] },
  { metric: 'curriculum/recency', title: 'Recency', note: 'updates since a start was stored, mean', show: [0] },
  { metric: 'curriculum/score_age', title: 'Age of scores', note: 'updates since a start was scored, mean', show: [0] },
  { metric: 'curriculum/effective_starts', title: 'Effective starts', note: 'that the draws spread over', show: [0] },
  { metric: 'curriculum/top_task_share', title: 'Top task', note: '% of the draws', format: inPercent, show: [0] },
  { metric: 'curriculum/turn', title: 'Starting turn', note: 'mean', show: [0] },
  { metric: 'curriculum/distinct_ratio', title: 'Distinct starts', note: 'relative to the base set', show: [0] },
  { metric: 'curriculum/pairwise_l2', title: 'Distance of starts', note: 'mean pairwise L2' },
  { metric: 'curriculum/pairwise_cosine', title: 'Distance of starts', note: 'mean pairwise cosine' },
  { metric: 'buffer/size', title: 'Buffer', note: 'starts held', show: [0] },
  { metric: 'buffer/score_mean', title: 'Score in the buffer', note: 'mean variance of quality', show: [0] },
  { metric: 'buffer/score_max', title: 'Best score', note: 'largest variance of quality', show: [0] },
  { metric: 'diversity/mean', title: 'Diversity bonus', note: 'factor d, mean' },
  {
    metric: 'diversity/clamped_share',
    title: 'Clamped bonus',
    note: '% of rollouts with d at its bound',
    format: inPercent,
    show: [0],
  },
];

/** Lists the k of the evaluations during training: `eval/solved_4` has one at 4. */
function evaluatedIterations(runs: readonly RunData[]): number[] {
  const names = new Set(runs.flatMap(({ metrics }) => metrics.flatMap((line) => [...line.keys()])));
  const found = [...names].flatMap((name) => /^eval\/solved_(\d+)$/.exec(name)?.[1] ?? []);
  return found.map(Number).sort((one, other) => one - other);
}

/** Metrics of the evaluations during training: solved at every k, and what the rewrites did. */
function evaluationPanels(runs: readonly RunData[]): Panel[] {
  const shared = { format: inPercent, show: [0], joined: true };
  const perChain = { note: 'answers per chain, over all k', show: [0], joined: true };
  return [
    ...evaluatedIterations(runs).map((k) => ({
      ...{ metric: `eval/solved_${k}`, title: `Solved, k = ${k}`, note: '% of held-out chains', ...shared },
    })),
    { metric: 'eval/fixed', title: 'Fixed', ...perChain },
    { metric: 'eval/broken', title: 'Broken', ...perChain },
    { metric: 'eval/unreadable', title: 'Unreadable', note: '% of the rewrites', ...shared },
  ];
}

/** The share of each intent in a batch, plotted per method. */
const intents = [
  { metric: 'curriculum/share_attempt', label: 'attempt', look: 1 },
  { metric: 'curriculum/share_improve', label: 'improve', look: 3 },
  { metric: 'curriculum/share_diverge', label: 'diverge', look: 4 },
] as const;

const size = { width: 340, height: 190 };

/** True when the metric changes: a plot of a constant metric carries no information. */
function varies(curves: readonly MethodCurve[]): boolean {
  const values = curves.flatMap(({ mean }) => mean.map(({ y }) => y)).filter(Number.isFinite);
  return values.some((value) => value !== values[0]);
}

function panelPlot(panel: Panel, runs: readonly RunData[]): Plot | undefined {
  const { metric, title, note, format = compact, show, joined = false } = panel;
  const curves = methodCurves(runs, metric, { joined });
  if (!varies(curves)) return undefined;
  const lines = curves.map(({ method, mean, behind }, index) => ({
    label: method,
    look: lookOf(method, index),
    points: mean,
    behind,
  }));
  return { title, note, xLabel: 'update', format, lines, ...(show === undefined ? {} : { show }), ...size };
}

function intentPlot(method: string, runs: readonly RunData[]): Plot | undefined {
  const lines = intents.flatMap(({ metric, label, look }) =>
    methodCurves(runs, metric).map(({ mean }) => ({ label, look, points: mean })),
  );
  const replays = lines.some(({ label, points }) => label !== 'attempt' && points.some(({ y }) => y > 0));
  return replays
    ? { title: method, note: '% of starts', xLabel: 'update', format: inPercent, lines, show: [0, 1], ...size }
    : undefined;
}

const grid = (plots: readonly Plot[]) => `<div class="plots">${plots.map(renderPlot).join('\n')}</div>`;
const isPlot = (plot: Plot | undefined): plot is Plot => plot !== undefined;

function section(title: string, text: string, body: string): string {
  return body === ''
    ? ''
    : `<section><h2>${escapeHtml(title)}</h2><p class="lead">${escapeHtml(text)}</p>${body}</section>`;
}

/** Drops plots whose lines repeat an earlier plot, as quality does where it is the reward. */
function dropRepeats(plots: readonly Plot[]): Plot[] {
  const seen = new Set<string>();
  return plots.filter(({ lines }) => {
    const drawn = JSON.stringify(lines);
    const fresh = !seen.has(drawn);
    seen.add(drawn);
    return fresh;
  });
}

function panels(all: readonly Panel[], runs: readonly RunData[]): string {
  const plots = dropRepeats(all.map((panel) => panelPlot(panel, runs)).filter(isPlot));
  const entries = orderMethods(runs.map(({ method }) => method)).map((label, index) => ({
    label,
    look: lookOf(label, index),
  }));
  return plots.length === 0 ? '' : (entries.length > 1 ? legend(entries) : '') + grid(plots);
}

function intentPanels(runs: readonly RunData[]): string {
  const plots = orderMethods(runs.map(({ method }) => method))
    .map((method) =>
      intentPlot(
        method,
        runs.filter((run) => run.method === method),
      ),
    )
    .filter(isPlot);
  return plots.length === 0 ? '' : legend(intents) + grid(plots);
}

/** Renders the sections of curves over updates; empty for runs without an update. */
export function curveSections(runs: readonly RunData[]): string {
  const several = runs.length > orderMethods(runs.map(({ method }) => method)).length;
  const behind = several
    ? 'Strong lines are means over seeds, lightly smoothed; faint lines are single seeds.'
    : 'Strong lines are lightly smoothed; faint lines are the raw values.';
  return [
    section('Training', behind, panels(learning, runs)),
    section(
      'Evaluations during training',
      'Held-out tasks, attempted once and improved k times.',
      panels(evaluationPanels(runs), runs),
    ),
    section('Starts', 'The starts that the curriculum selects, and the content of its buffer.', panels(starts, runs)),
    section('Rewrites', 'The answers that the policy gives to a start with a previous answer.', panels(rewrites, runs)),
    section(
      'Intents',
      'Share of starts that request a first attempt, a better answer, or a different one.',
      intentPanels(runs),
    ),
  ].join('\n');
}
