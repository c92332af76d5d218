/** `exit-rl merge`: merges an adapter into its base model and writes a new model folder. */
import type { CAC } from 'cac';
import { type Flags, requiredText } from './flags.js';
import { printJson, printLine } from './output.js';

async function runMerge(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'the folder of the base model');
  const adapter = requiredText(process.argv, 'adapter', 'a PEFT folder');
  const out = requiredText(process.argv, 'out', 'the folder of the merged model');
  const { mergeAdapter } = await import('../policy/adapters.js');
  const weights = await mergeAdapter({ model, adapter, out });
  if (flags.json) await printJson({ out, weights });
  else await printLine(`${weights} weights changed; model folder: ${out}`);
}

export function registerMerge(cli: CAC): void {
  cli
    .command('merge', 'Merge an adapter into its base model: a folder that needs no adapter')
    .option('--model <folder>', 'Base model folder')
    .option('--adapter <folder>', 'PEFT folder: written by PEFT, or a checkpoint of a run with `lora`')
    .option('--out <folder>', 'New model folder, with the precision and the shards of the base')
    .option('--json', 'Print {"out", "weights"}')
    .example('  $ exit-rl merge --model llama --adapter runs/exit-0/checkpoint-200 --out merged')
    .action(runMerge);
}
