/** Prints the closing line: the tests of vitest's JSON report and of cargo's log, added up. Fails when there are none. */
import { existsSync, readFileSync } from 'node:fs';

const [vitestReport = '', cargoLog = ''] = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };

if (existsSync(vitestReport)) {
  const report = JSON.parse(readFileSync(vitestReport, 'utf8'));
  counts.passed += report.numPassedTests;
  counts.failed += report.numFailedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
}
if (existsSync(cargoLog)) {
  const results = readFileSync(cargoLog, 'utf8').matchAll(
    /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  );
  for (const [, passed, failed, ignored] of results) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.passed > 0 && counts.failed === 0 ? 0 : 1;
