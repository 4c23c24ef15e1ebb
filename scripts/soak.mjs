/** `npm run soak -- [--runs N] [--seed S]`: N runs of test/integration/kafka/faults.test.ts. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const usage = 'usage: npm run soak -- [--runs N] [--seed S]';
let values;
try {
  ({ values } = parseArgs({
    options: {
      runs: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1000' },
      help: { type: 'boolean', default: false },
    },
  }));
  if (![values.runs, values.seed].every((value) => /^\d+$/.test(value)))
    throw new Error('not a whole number');
} catch (error) {
  console.error(`${error.message}\n${usage}`);
  process.exit(2);
}
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const { status } = spawnSync(
  process.execPath,
  [jest, 'test/integration/kafka/faults', '--selectProjects', 'integration', '--runInBand'],
  {
    stdio: 'inherit',
    env: { ...process.env, VAEMON_FAULT_RUNS: values.runs, VAEMON_FAULT_SEED: values.seed },
  },
);
process.exit(status ?? 1);
