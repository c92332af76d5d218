/** The words after `exit-rl train`: its own flags, the recipe or file, and the flags of the config. */
import type { Command } from 'cac';
import { type FlagLine, readFlagLine } from '../config/flag-line.js';
import { recipes } from '../recipes/index.js';
import { commandOptions } from './flags.js';

/** Reads the words as they were typed. @throws UsageError for a word too many, and for a flag that is given twice. */
export function readTrainLine(command: Command, argv: readonly string[]): FlagLine {
  const options = { command: commandOptions(command), recipes: Object.keys(recipes) };
  return readFlagLine(argv.slice(3), options);
}
