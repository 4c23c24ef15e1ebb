/** Loads TypeScript in a thread that a test starts: jest compiles only what it loads itself. */
const { readFileSync } = require('node:fs');
const { ModuleKind, ScriptTarget, transpileModule } = require('typescript');

const compilerOptions = { module: ModuleKind.CommonJS, target: ScriptTarget.ES2022, esModuleInterop: true };

require.extensions['.ts'] = (module, path) =>
  module._compile(transpileModule(readFileSync(path, 'utf8'), { compilerOptions }).outputText, path);
