import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** The folders of src, lowest first: each may import those before it, and none behind it (docs/architecture.md). */
const order = [
  'system',
  'tensor',
  'domain',
  'calibration',
  'schema',
  'models',
  'onnx',
  'scoring',
  'training',
  'store',
  'kafka',
  'sources',
  'codecs',
  'sinks',
  'config',
  'state',
  'metrics',
  'past',
  'web',
  'pipeline',
  'runtime',
  'offline',
  'cli',
];
/** No logger, clock, metric, file or network. */
const pure = ['domain', 'models', 'calibration', 'offline/evaluate/quality'];
const impure = [
  '**/logger',
  '**/system/**',
  'node:*',
  'fs',
  'net',
  'http',
  'winston',
  'prom-client',
  'kafkajs',
];
/** Packages that one folder alone may import. */
const doors = {
  '@tensorflow/*': 'tensor',
  'onnxruntime-node': 'onnx',
  'prom-client': 'metrics',
  winston: 'logger',
};

const restrictions = (folder, forbidden) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            group: [
              ...new Set([
                ...order
                  .slice(order.indexOf(folder.split('/')[0]) + 1)
                  .flatMap((f) => [`**/${f}`, `**/${f}/**`]),
                ...Object.keys(doors).filter((name) => doors[name] !== folder),
                '**/main',
                ...forbidden,
              ]),
            ],
            message: `src/${folder} may import only the folders before it in eslint.config.mjs`,
          },
        ],
      },
    ],
  },
});

const layering = [
  ...order.map((folder) => restrictions(folder, pure.includes(folder) ? impure : [])),
  restrictions('offline/evaluate/quality', impure),
  restrictions('offline/init/inference', impure),
];

/** What src/system does for all other folders, as selectors of hand-written copies. */
const copies = [
  [
    "ImportDeclaration[source.value=/timers.promises$/] > ImportSpecifier[imported.name='setTimeout']",
    'use pause of system/pause.ts',
  ],
  [
    "ConditionalExpression[test.operator='instanceof'][test.right.name='Error'][alternate.callee.name='String']",
    'use messageOf of system/error-text.ts',
  ],
  [
    "CallExpression[callee.property.name='all'] > CallExpression[callee.object.name='Array'][callee.property.name='from']",
    'use runConcurrently of system/concurrency.ts',
  ],
];

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
    files: ['src/**/*.ts'],
    ignores: ['src/system/**'],
    rules: {
      'no-restricted-syntax': ['error', ...copies.map(([selector, message]) => ({ selector, message }))],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
