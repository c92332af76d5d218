/** `exit-rl merge`: merges an adapter into its base model and writes a new model folder. */
import type { CAC } from 'cac';
import { type Flags, givenOptions, requiredText, textFlag } from './flags.js';
import { printJson, printLine } from './output.js';

async function runMerge(flags: Flags): Promise<void> {
  const model = requiredText(process.argv, 'model', 'the base model, or an adapter to merge with its base');
  const adapter = textFlag(process.argv, 'adapter');
  const out = requiredText(process.argv, 'out', 'the folder of the merged model');
  const { mergeAdapter } = await import('../policy/adapters.js');
  const weights = await mergeAdapter({ model, out, ...givenOptions({ adapter }) });
  if (flags.json) await printJson({ out, weights });
  else await printLine(`${weights} weights changed; model folder: ${out}`);
}

export function registerMerge(cli: CAC): void {
  cli
    .command('merge', 'Merge an adapter into its base model: a folder that needs no adapter')
    .option('--model <model>', 'Base model; without --adapter, the adapter to merge with the base that it names')
    .option('--adapter <folder>', 'PEFT folder: written by PEFT, or a run with `lora` or one of its checkpoints')
    .option('--out <folder>', 'New model folder, with the precision and the shards of the base')
    .option('--json', 'Print {"out", "weights"}')
    .example('  $ exit-rl merge --model llama --adapter runs/exit-0/checkpoint-200 --out merged')
    .action(runMerge);
}
