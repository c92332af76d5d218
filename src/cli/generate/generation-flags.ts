/** The flags that decide what surrounds a prompt and which rules its completions follow. */
import { UsageError } from '../../errors.js';
import { nearest } from '../../nearest.js';
import type { TokenRules } from '../../policy/policy.js';
import { textFlag } from '../flags.js';

/** The keys of generation_config.json that are rules, and ours. */
export const ruleKeys: Readonly<Record<string, keyof TokenRules>> = {
  repetition_penalty: 'repetitionPenalty',
  no_repeat_ngram_size: 'noRepeatNgramSize',
  bad_words_ids: 'badWordsIds',
  suppress_tokens: 'suppressTokens',
  begin_suppress_tokens: 'beginSuppressTokens',
  min_new_tokens: 'minNewTokens',
  min_length: 'minLength',
};

/** Reads `--add-special-tokens true|false`; true by default. @throws UsageError. */
export function addSpecialTokens(argv: readonly string[]): boolean {
  const value = textFlag(argv, 'add-special-tokens') ?? 'true';
  if (value === 'true' || value === 'false') return value === 'true';
  throw new UsageError(`--add-special-tokens takes true or false, not ${value}`);
}

/** Reads the rules of `--generation-kwargs`, a JSON object with keys of generation_config.json. @throws UsageError. */
export function tokenRules(argv: readonly string[]): TokenRules {
  const text = textFlag(argv, 'generation-kwargs');
  if (text === undefined) return {};
  return Object.fromEntries(
    Object.entries(parseObject(text)).map(([key, value]) => {
      const known = Object.hasOwn(ruleKeys, key) ? ruleKeys[key] : undefined;
      if (known !== undefined) return [known, value];
      const meant = nearest(key, Object.keys(ruleKeys));
      const hint = meant === undefined ? `known are ${Object.keys(ruleKeys).join(', ')}` : `did you mean ${meant}?`;
      throw new UsageError(`--generation-kwargs: unknown key \`${key}\`; ${hint}`, { key });
    }),
  );
}

function parseObject(text: string): object {
  const example = 'takes a JSON object, for example \'{"repetition_penalty":1.1}\'';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new UsageError(`--generation-kwargs ${example}; ${(error as Error).message}`);
  }
  throw new UsageError(`--generation-kwargs ${example}`);
}
