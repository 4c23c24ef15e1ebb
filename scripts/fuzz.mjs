/** `npm run fuzz -- [--records N] [--configs N] [--seed S]`: the tests of test/fuzz with this number of inputs. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    configs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
  },
});
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
// The tests need the garbage collector to check that memory does not grow.
const { status } = spawnSync(
  process.execPath,
  ['--expose-gc', jest, 'test/fuzz/', '--selectProjects', 'unit', '--maxWorkers=2'],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      VAEMON_FUZZ_RECORDS: values.records,
      VAEMON_FUZZ_CONFIGS: values.configs,
      VAEMON_FUZZ_SEED: values.seed,
    },
  },
);
process.exit(status ?? 1);
