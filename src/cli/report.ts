/** `exit-rl report RUN`: writes the static page of a run folder or a comparison folder. */
import path from 'node:path';
import type { CAC } from 'cac';
import { type Flags, textFlag } from './flags.js';
import { printJson, printLine } from './output.js';

async function runReport(run: string, flags: Flags): Promise<void> {
  const { writeReport } = await import('../report/page.js');
  const out = textFlag(process.argv, 'out');
  const report = path.resolve(await writeReport(run, out === undefined ? {} : { out }));
  await (flags.json === true ? printJson({ report }) : printLine(report));
}

/** Adds the command `report`. */
export function registerReport(cli: CAC): void {
  cli
    .command('report <run>', 'Write report.html of a run folder or a comparison folder')
    .option('--out <file>', 'Path of the page (default: report.html in the folder)')
    .option('--json', 'Print {"report": path}')
    .example('  $ exit-rl report runs/code-breaker-exit')
    .action(runReport);
}
