/**
 * Sums up Vitest's JSON reports and prints the closing line: `N passed, N failed`, and `, N skipped` where
 * there are any.
 *
 * Usage: node sum.mjs FOLDER [FAILED-STEP...]   where a test run STEP has its report in FOLDER/STEP.json
 * Exits with 1 if anything failed or no test was run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, ...failedSteps] = process.argv.slice(2);

const total = { passed: 0, failed: 0, skipped: 0 };
const stepsWithFailures = new Set();
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const { passed, failed, skipped } = countsOf(JSON.parse(readFileSync(join(folder, file), 'utf8')));
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (failed > 0) stepsWithFailures.add(file.replace(/\.json$/, ''));
}
// Lint, types, a crash of the runner: what fails without a failed test to show for it counts as one.
total.failed += failedSteps.filter((step) => !stepsWithFailures.has(step)).length;
if (total.passed + total.failed === 0) {
  console.log('no test was run');
  total.failed = 1;
}

console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed > 0 ? 1 : 0;

function countsOf({ testResults }) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status: fileStatus, assertionResults } of testResults) {
    for (const { status } of assertionResults) {
      counts[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1;
    }
    // A file that could not be loaded, or whose set-up failed, has no failed test to its name.
    const hasFailedTest = assertionResults.some(({ status }) => status === 'failed');
    if (fileStatus === 'failed' && !hasFailedTest) counts.failed += 1;
  }
  return counts;
}
