/** The user's data files, how rows become prompts, and how prompts become text. */
import { z } from 'zod';
import { countOrZero, name, share } from '../policy/settings.js';

/** One path or a list of them, parsed to a list. */
const paths = z.union([name, z.array(name).min(1)]).transform((value) => [value].flat());

const templates = z
  .strictObject({ improve: name, diverge: name, feedback: name, attempt: name, earlierTurn: name })
  .partial();

export const data = z
  .strictObject({
    /** Paths of files or folders, or patterns: .jsonl .ndjson .json .csv .tsv .parquet. */
    train: paths,
    test: paths.optional(),
    /** Share of the training rows that is held out as `test`. */
    testShare: share.default(0),
    splitSeed: countOrZero.default(0),
    promptColumn: name.default('prompt'),
    /** Further columns that are kept; absent keeps all. */
    columns: z.array(name).optional(),
    /** true: a text prompt is a user's message, rendered by the chat template. */
    chat: z.boolean().default(false),
    systemPrompt: name.optional(),
    /** false: text prompts hold their special tokens themselves, and the tokenizer adds none. */
    addSpecialTokens: z.boolean().default(true),
    /** Rows of `train` that are used; 0 uses all. */
    limit: countOrZero.default(0),
    /** How a rewrite shows the answer before it: as the assistant's turn, or quoted in the user's message. */
    previousAnswer: z.enum(['messages', 'text']).default('messages'),
    templates: templates.prefault({}),
  })
  .refine((section) => !(section?.test !== undefined && section?.testShare > 0), {
    path: ['testShare'],
    error: 'data.test already names the held-out rows',
    when: () => true,
  });

/** A module whose function measures quality. */
export const verifier = z.strictObject({
  file: name,
  export: name.optional(),
  timeoutSeconds: z.number().min(0).default(60),
  /** true: in a thread that can be ended. */
  isolated: z.boolean().default(true),
  /** true: a call that fails is made once more. Not for a verifier that acts on something, or takes minutes. */
  repeatable: z.boolean().default(false),
});

/** How the model folder's chat template renders messages. */
export const chat = z.strictObject({
  /** One of the folder's named templates; by default its `default` one. */
  template: name.optional(),
  /** The current date that templates see, YYYY-MM-DD; default 2024-07-26. */
  date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be YYYY-MM-DD')
    .optional(),
  /** Further variables, for example `enable_thinking`. */
  variables: z.record(z.string(), z.unknown()).default({}).meta({ trl: 'chat_template_kwargs' }),
});
