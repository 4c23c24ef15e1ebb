/**
 * Three projects: `unit` is quick, `slow` takes long (*.slow.test.ts: trainings, long sequences, a browser), `integration` needs
 * the programs that .ci/run installs.
 */
const common = {
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', diagnostics: false }] },
  testEnvironment: '<rootDir>/test/environment.js',
  setupFilesAfterEnv: ['<rootDir>/test/setup.ts'],
};
const integration = '<rootDir>/test/integration/';

module.exports = {
  // The default leaves one core idle, which is half of two.
  maxWorkers: '100%',
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', integration, '\\.slow\\.test\\.ts$'],
    },
    {
      ...common,
      displayName: 'slow',
      testMatch: ['<rootDir>/test/**/*.slow.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', integration],
    },
    { ...common, displayName: 'integration', testMatch: [`${integration}**/*.test.ts`] },
  ],
};
