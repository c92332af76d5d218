/** Reads and validates the flags of commands. */
import type { Command } from 'cac';
import { UsageError } from '../errors.js';

export type Flags = Readonly<Record<string, unknown>>;

/** Reads a whole number of at least `minimum`. @throws UsageError that names the flag. */
export function wholeNumber(flags: Flags, name: string, fallback: number, minimum = 0): number {
  const value = flags[name] ?? fallback;
  if (Number.isSafeInteger(value) && (value as number) >= minimum) return value as number;
  throw new UsageError(`--${dashed(name)} takes a whole number of at least ${minimum}, not ${String(value)}`);
}

/** Reads a number of at least 0. @throws UsageError that names the flag. */
export function nonNegative(flags: Flags, name: string, fallback: number): number {
  const value = flags[name] ?? fallback;
  if (typeof value === 'number' && value >= 0) return value;
  throw new UsageError(`--${dashed(name)} takes a number of at least 0, not ${String(value)}`);
}

/** Joins `--name -` and `--name -1`, which the parser would read as two flags. */
export function joinDashes(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (const word of argv) {
    const flag = joined.at(-1);
    const isValue = word === '-' || /^-\.?\d/.test(word);
    if (isValue && flag !== undefined && /^--[^=]+$/.test(flag)) joined[joined.length - 1] = `${flag}=${word}`;
    else joined.push(word);
  }
  return joined;
}

/** The options that a command declares, by name and with dashes; true for one that takes a value. */
export function commandOptions({ options, cli }: Command): ReadonlyMap<string, boolean> {
  // `--<key> <value>` stands for the flags of the config.
  const declared = [...options, ...cli.globalCommand.options].filter(({ rawName }) => !rawName.startsWith('--<'));
  const named = declared.flatMap(({ rawName, isBoolean }) =>
    (rawName.match(/--?[\w-]+/g) ?? []).map((name) => [name.replace(/^-+/, ''), !isBoolean] as const),
  );
  return new Map(named.flatMap(([name, takes]) => [[name, takes] as const, [camelCased(name), takes] as const]));
}

const camelCased = (name: string): string => name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Returns the text after `--name` as it was typed: the parser converts texts like 007 to numbers. */
export function textFlag(argv: readonly string[], name: string): string | undefined {
  const flag = `--${name}`;
  const at = argv.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  const word = argv[at];
  if (word === undefined) return undefined;
  return word === flag ? argv[at + 1] : word.slice(flag.length + 1);
}

/** Returns the text of every `--name` as it was typed. */
export function textFlags(argv: readonly string[], name: string): string[] {
  const flag = `--${name}`;
  return argv.flatMap((word, at) => {
    if (word === flag) return argv[at + 1] ?? [];
    return word.startsWith(`${flag}=`) ? word.slice(flag.length + 1) : [];
  });
}

/** Like `textFlag`, for a required flag. @throws UsageError when it is missing. */
export function requiredText(argv: readonly string[], name: string, what: string): string {
  const value = textFlag(argv, name);
  if (value !== undefined && value !== '' && !value.startsWith('--')) return value;
  throw new UsageError(`--${name} is missing: ${what}`);
}

/** Returns every value of a flag that may be repeated or comma-separated. */
export function listFlag(flags: Flags, name: string): string[] {
  const value = flags[name];
  if (value === undefined) return [];
  return [value].flat().flatMap((one) => String(one).split(','));
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

type Given<Options> = { [Key in keyof Options]?: Exclude<Options[Key], undefined> };

/** The options that are there: what a flag does not give is left to the config. */
export function givenOptions<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<Options>;
}
