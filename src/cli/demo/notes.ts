/** What the comparison shows and what it does not, said wherever its table is. */
import type { DemoPlan } from './plan.js';

const always = [
  'The marks on the previous answer are information that a first attempt does not have, so iterating helps every method, the base included; the claim is about the difference between methods. k = 0 barely moves for any of them.',
  'The result depends on the size of the task and on the base: variants whose openings settle more gave ExIt little (+4) or lost (65 against 82), and 8-queens was a tie. This is no general ranking of methods.',
];

const ablations =
  'Not shown here: a gain of curriculum over GRPO, or of diverge steps or the diversity bonus over improve.';

const oneSeed = 'One seed: a run differs from the next by several points. --seeds 5 gives differences seed by seed.';

/** The caveats of embedded-default runs, and of short ones. */
export function notesOf(plan: DemoPlan): string[] {
  const short = `Too short to compare methods: ${plan.updates} updates instead of ${plan.fullUpdates}, and one draw. Leave --quick out for the comparison.`;
  return [
    ...(plan.updates < plan.fullUpdates ? [short] : []),
    ...always,
    ...(plan.runs.some(({ method }) => method === 'improve') ? [ablations] : []),
    ...(plan.seeds.length === 1 ? [oneSeed] : []),
  ];
}
