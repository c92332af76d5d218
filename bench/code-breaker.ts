/**
 * Decides the acceptance of the built-in recipe on a comparison that the demo has made:
 *
 *     npx exit-rl demo --seeds 5 --out runs/five-seeds
 *     npx tsx bench/code-breaker.ts runs/five-seeds [--out FILE]
 *
 * (add --all for all five methods). Prints README's table, then every claim with its measured value, and exits with 0 when all hold, else with 1. Writes the comparison and the
 * verdict, with commit and machine, to FILE.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { comparisonSchema } from '../src/report/records.js';
import { caveats, checkAcceptance } from './lib/acceptance.js';
import { describeCommit, describeMachine } from './lib/machine.js';
import { markdownTable } from './lib/markdown.js';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string' } } });
const folder = positionals[0] ?? 'runs/demo';
const comparison = comparisonSchema.parse(JSON.parse(readFileSync(join(folder, 'comparison.json'), 'utf8')));
const acceptance = checkAcceptance(comparison.rows);
console.log(`${markdownTable(comparison.rows)}\n`);
for (const { claim, holds, measured } of acceptance.checks) {
  console.log(`${holds ? 'holds' : 'FAILS'}: ${claim} (${measured})`);
}
for (const caveat of caveats(comparison.rows)) console.log(`* ${caveat}`);
if (values.out) {
  const result = { ...describeCommit(), machine: describeMachine(), ...comparison, acceptance };
  writeFileSync(values.out, `${JSON.stringify(result, null, 1)}\n`);
}
process.exitCode = acceptance.accepted ? 0 : 1;
