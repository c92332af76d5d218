/** `exit-rl report RUN`: the static page of a run folder or a comparison folder. */
import path from 'node:path';
import type { CAC } from 'cac';
import { writeReport } from '../report/page.js';

interface ReportFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Adds the command `report`. */
export function registerReport(cli: CAC): void {
  cli
    .command('report <run>', 'Write report.html of a run folder or a comparison folder')
    .option('--out <file>', 'Where the page goes (default: report.html in the folder)')
    .option('--json', 'Print {"report": path} for machines')
    .example('exit-rl report runs/code-breaker-exit')
    .action(async (run: string, { out, json }: ReportFlags) => {
      const file = path.resolve(await writeReport(run, out === undefined ? {} : { out }));
      process.stdout.write(json === true ? `${JSON.stringify({ report: file })}\n` : `${file}\n`);
    });
}
