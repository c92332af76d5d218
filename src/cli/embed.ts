/** `exit-rl embed`: the vectors that the diversity bonus measures distances between. */
import type { CAC } from 'cac';
import { UsageError } from '../errors.js';
import type { NgramSettings } from '../trainer/settings.js';
import { type Flags, requiredText, wholeNumber } from './flags.js';
import { chunksOf, readJsonLines, textOf } from './json-lines.js';
import { printJson } from './output.js';

const linesAtOnce = 256;

function ngramSettings(flags: Flags): NgramSettings {
  const { unit = 'word' } = flags;
  if (unit !== 'word' && unit !== 'character') throw new UsageError(`--unit is word or character, not ${String(unit)}`);
  const minimumLength = wholeNumber(flags, 'minimumLength', 1, 1);
  const maximumLength = wholeNumber(flags, 'maximumLength', 2, minimumLength);
  return { unit, minimumLength, maximumLength, dimension: wholeNumber(flags, 'dimension', 1024, 1) };
}

async function runEmbed(flags: Flags): Promise<void> {
  const { model = 'ngram' } = flags;
  if (model !== 'ngram') throw new UsageError(`no embedder \`${String(model)}\`: the built-in one is --model ngram`);
  const file = requiredText(process.argv, 'input', 'a file with one {"text"} object a line, or -');
  const settings = ngramSettings(flags);
  const { createNgramEmbedder } = await import('../trainer/embedder.js');
  const embedder = await createNgramEmbedder(settings);
  for await (const lines of chunksOf(readJsonLines(file), linesAtOnce)) {
    const vectors = await embedder.embed(lines.map((line) => textOf(line, 'text')));
    for (const at of lines.keys()) {
      const { dimension } = embedder;
      await printJson({ embedding: Array.from(vectors.subarray(at * dimension, (at + 1) * dimension)) });
    }
  }
}

export function registerEmbed(cli: CAC): void {
  cli
    .command('embed', 'Vectors of the texts of {"text"} lines, by hashed n-grams')
    .option('--model <name>', 'ngram, the built-in embedder (default)')
    .option('--input <file>', 'One JSON object a line; - reads standard input')
    .option('--unit <unit>', 'word or character (default: word)')
    .option('--minimum-length <number>', 'Shortest n-gram (default: 1)')
    .option('--maximum-length <number>', 'Longest n-gram (default: 2)')
    .option('--dimension <number>', 'Entries of a vector (default: 1024)')
    .option('--json', 'Accepted for symmetry: the output is JSON lines anyway')
    .action(runEmbed);
}
