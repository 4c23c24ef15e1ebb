import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Which of our folders a folder may import (docs/architecture.md has the picture). */
const mayImport = {
  domain: [],
  calibration: [],
  evaluation: [],
  tensor: [],
  store: [],
  models: ['tensor'],
  onnx: ['tensor'],
  scoring: ['domain', 'models', 'tensor', 'calibration', 'onnx'],
  training: ['domain', 'models', 'tensor', 'scoring', 'calibration', 'onnx', 'store'],
  sources: ['domain'],
  sinks: ['domain'],
  lifecycle: ['store', 'training', 'scoring'],
  web: ['domain', 'sinks', 'store'],
  config: ['domain', 'calibration', 'models'],
};
const folders = [...Object.keys(mayImport), 'commands'];
const pure = ['domain', 'models', 'calibration', 'evaluation'];
const impureModules = ['node:*', 'fs', 'net', 'http', 'winston', 'prom-client', 'kafkajs'];

const layering = Object.entries(mayImport).map(([folder, allowed]) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: [
              ...folders
                .filter((f) => f !== folder && !allowed.includes(f))
                .flatMap((f) => [`**/${f}`, `**/${f}/**`]),
              ...(pure.includes(folder) ? ['**/logger', '**/metrics', ...impureModules] : []),
              ...(folder === 'tensor' ? [] : ['@tensorflow/*']),
              ...(folder === 'onnx' ? [] : ['onnxruntime-node']),
              '**/daemon',
            ],
            message: `src/${folder} may import only: ${['errors', ...allowed].join(', ')}`,
          },
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'node_modules/', 'var/', '.cache/', '**/*.mjs', '**/*.js'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/main.ts'],
    rules: {
      'no-process-exit': 'off',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'only main.ts exits' },
      ],
    },
  },
  ...layering,
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
