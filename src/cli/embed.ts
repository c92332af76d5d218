/** `exit-rl embed`: embeds texts as the diversity bonus does, which measures distances between the vectors. */
import { statSync } from 'node:fs';
import type { CAC } from 'cac';
import type { Embedder } from '../embedder/embedder.js';
import type { NgramSettings } from '../embedder/ngram.js';
import type { ModelEmbedderSettings } from '../embedder/sentence-transformers.js';
import { UsageError } from '../errors.js';
import { modelFolder } from '../hub/model-cache.js';
import { type Flags, requiredText, textFlag, wholeNumber } from './flags.js';
import { inChunks, readJsonLines, readText } from './json-lines.js';
import { LabelReader, requireKnownKeys } from './line-keys.js';
import { printJson } from './output.js';
import { policyChoice } from './policy-flags.js';

const linesAtOnce = 512;

function ngramSettings(flags: Flags): NgramSettings {
  const { unit = 'word' } = flags;
  if (unit !== 'word' && unit !== 'character') throw new UsageError(`--unit is word or character, not ${String(unit)}`);
  const minimumLength = wholeNumber(flags, 'minimumLength', 1, 1);
  const maximumLength = wholeNumber(flags, 'maximumLength', 2, minimumLength);
  return { unit, minimumLength, maximumLength, dimension: wholeNumber(flags, 'dimension', 1024, 1) };
}

function modelSettings(model: string, flags: Flags): ModelEmbedderSettings {
  const { device, dtype, threads } = policyChoice(flags);
  const maxTokens = flags.maxTokens === undefined ? undefined : wholeNumber(flags, 'maxTokens', 1, 1);
  const prompt = textFlag(process.argv, 'prompt');
  const promptName = textFlag(process.argv, 'prompt-name');
  return { model, device, dtype, threads, prompt, promptName, maxTokens, cacheSize: linesAtOnce };
}

const builtIn = ['builtin', 'ngram'];

async function openEmbedder(flags: Flags): Promise<Embedder> {
  const [{ createModelEmbedder }, { createNgramEmbedder }] = await Promise.all([
    import('../embedder/sentence-transformers.js'),
    import('../embedder/ngram.js'),
  ]);
  const model = textFlag(process.argv, 'model') ?? 'builtin';
  if (builtIn.includes(model)) return createNgramEmbedder(ngramSettings(flags));
  const isFolder = statSync(modelFolder(model), { throwIfNoEntry: false })?.isDirectory();
  if (isFolder) return createModelEmbedder(modelSettings(model, flags));
  throw new UsageError(
    `no embedder \`${model}\`: --model takes a folder, owner/name of a fetched model, or \`builtin\`, which hashes n-grams`,
  );
}

async function runEmbed(flags: Flags): Promise<void> {
  const file = requiredText(process.argv, 'input', 'a file with one {"text"} object per line, or -');
  const embedder = await openEmbedder(flags);
  try {
    const reader = new LabelReader();
    for await (const lines of inChunks(readJsonLines(file), linesAtOnce)) {
      for (const line of lines) requireKnownKeys(line, ['text']);
      const labels = lines.map((line) => reader.read(line));
      const vectors = await embedder.embed(lines.map((line) => ({ text: readText(line, 'text') })));
      for (const [at, label] of labels.entries()) {
        const { dimension } = embedder;
        await printJson({ ...label, embedding: Array.from(vectors.subarray(at * dimension, (at + 1) * dimension)) });
      }
    }
  } finally {
    await embedder.close?.();
  }
}

export function registerEmbed(cli: CAC): void {
  cli
    .command('embed', 'Embed the texts of {"text"} lines with a sentence-transformers folder or hashed n-grams')
    .option(
      '--model <folder>',
      'A sentence-transformers folder, owner/name that was fetched, or builtin for hashed n-grams (default)',
    )
    .option('--input <file>', 'One JSON object per line; - reads standard input')
    .option('--prompt <text>', 'Prefix of every text, for example "query: "')
    .option('--prompt-name <name>', "One of the folder's prompts")
    .option('--max-tokens <number>', "Truncate texts to fewer tokens than the folder's limit")
    .option('--device <device>', 'auto, cpu, cuda or cuda:N (default: auto)')
    .option('--dtype <dtype>', 'auto, float32 or bfloat16 (default: auto)')
    .option('--threads <number>', 'CPU threads (default: all cores)')
    .option('--unit <unit>', 'n-grams: word or character (default: word)')
    .option('--minimum-length <number>', 'n-grams: the shortest (default: 1)')
    .option('--maximum-length <number>', 'n-grams: the longest (default: 2)')
    .option('--dimension <number>', 'n-grams: entries of a vector (default: 1024)')
    .option('--json', 'Accepted for symmetry: the output is always JSON lines')
    .action(runEmbed);
}
