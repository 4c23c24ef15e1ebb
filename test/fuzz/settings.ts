/** Number of cases: few in a test, more with `npm run fuzz` (scripts/fuzz.mjs). */
const number = (name: string, standard: number): number => Number(process.env[name] ?? standard);

export const fuzzing = {
  seed: number('VAEMON_FUZZ_SEED', 1),
  records: number('VAEMON_FUZZ_RECORDS', 10_000),
  configs: number('VAEMON_FUZZ_CONFIGS', 100),
  isLong: process.env['VAEMON_FUZZ_RECORDS'] !== undefined,
};
