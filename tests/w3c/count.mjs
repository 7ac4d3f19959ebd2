// count.mjs SUITE RESULT: what mocha's JSON reporter wrote, in a few lines.
import { readFileSync } from "node:fs";

const [suite, path] = process.argv.slice(2);
let result;
try {
  result = JSON.parse(readFileSync(path));
} catch (error) {
  console.log(`${suite}: did not run to its end, see results/${suite}.log: ${error.message}`);
  process.exit(1);
}
const { passes, failures, pending } = result.stats;
console.log(`${suite}: ${passes} passed, ${failures} failed, ${pending} skipped`);
for (const { fullTitle, err } of result.failures) {
  console.log(`  failed: ${fullTitle}\n    ${String(err.message).split("\n")[0]}`);
}
process.exit(failures > 0 || passes === 0 ? 1 : 0);
