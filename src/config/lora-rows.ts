/** The section `lora`: trains an adapter in place of the weights. Defaults of rank and alpha are TRL's. */
import { z } from 'zod';
import { nearest } from '../nearest.js';
import { count, name, positive } from '../policy/settings.js';

/** The modules that `all-linear` includes, and the head, which must be named. */
const linearModules = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj', 'lm_head'];

const lastWord = (module: string): string => module.slice(module.lastIndexOf('.') + 1);

/** Splits the text of a flag, `q_proj,v_proj`, into a list. `all-linear`, in any case as in PEFT, may be the list's only word. */
function asList(targets: string | string[]): 'all-linear' | string[] {
  const list = [targets].flat().flatMap((target) => target.split(','));
  return list.length === 1 && list[0]?.toLowerCase() === 'all-linear' ? 'all-linear' : list;
}

function unknownModule(targets: string | string[]): string | undefined {
  const list = asList(targets);
  return list === 'all-linear' ? undefined : list.find((target) => !linearModules.includes(lastWord(target)));
}

function moduleProblem(targets: string | string[]): string {
  const unknown = unknownModule(targets) ?? '';
  if (unknown.toLowerCase() === 'all-linear') return `\`${unknown}\` stands for every module: it stands alone`;
  const meant = nearest(lastWord(unknown), [...linearModules, 'all-linear']);
  const known =
    meant === undefined ? `all-linear, or some of ${linearModules.join(', ')}` : `did you mean \`${meant}\`?`;
  return `\`${unknown}\` is not a linear module; ${known}`;
}

export const lora = z.strictObject({
  rank: count.default(16).meta({ trl: ['lora_r', 'lora.r'] }),
  /** Scales the adapter's difference by alpha/rank. */
  alpha: positive.default(32).meta({ trl: ['lora_alpha', 'lora.lora_alpha'] }),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .meta({ trl: ['lora_dropout', 'lora.lora_dropout'] }),
  targetModules: z
    .union([name, z.array(name).min(1)])
    .refine((targets) => unknownModule(targets) === undefined, {
      error: ({ input }) => moduleProblem(input as string | string[]),
    })
    .transform(asList)
    .default('all-linear')
    .meta({ trl: ['lora_target_modules', 'lora.target_modules'] }),
  /** true: scales by alpha/√rank. */
  rankStabilised: z
    .boolean()
    .default(false)
    .meta({ trl: ['use_rslora', 'lora.use_rslora'] }),
  /** true: DoRA. */
  dora: z
    .boolean()
    .default(false)
    .meta({ trl: ['use_dora', 'lora.use_dora'] }),
  /** Ranks of some modules, by a regular expression for the path or its end. */
  rankPattern: z
    .record(name, count)
    .default({})
    .meta({ trl: ['lora.rank_pattern'] }),
  alphaPattern: z
    .record(name, positive)
    .default({})
    .meta({ trl: ['lora.alpha_pattern'] }),
  /** Modules that are trained in full beside the adapter. */
  modulesToSave: z
    .union([name, z.array(name)])
    .transform((names) => [names].flat().flatMap((one) => one.split(',')))
    .default([])
    .meta({ trl: ['lora_modules_to_save', 'lora.modules_to_save'] }),
  /** PEFT folder of the initial adapter, with this rank, alpha and modules. */
  adapter: name.optional(),
});
