/**
 * Loads TypeScript in a thread that a test starts: jest compiles only what it loads itself. The results are kept, as loading the
 * compiler costs more than most tests.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { threadId } = require('node:worker_threads');
const { version } = require('typescript/package.json');

const folder = join(__dirname, '../.cache/threads');

require.extensions['.ts'] = (module, path) => module._compile(compiled(readFileSync(path, 'utf8')), path);

function compiled(source) {
  const kept = join(folder, `${createHash('sha256').update(version).update(source).digest('hex')}.js`);
  try {
    return readFileSync(kept, 'utf8');
  } catch {
    const text = compile(source);
    mkdirSync(folder, { recursive: true });
    // Other threads never see a part of it.
    const incoming = `${kept}.${process.pid}.${threadId}`;
    writeFileSync(incoming, text);
    renameSync(incoming, kept);
    return text;
  }
}

function compile(source) {
  const { ModuleKind, ScriptTarget, transpileModule } = require('typescript');
  const compilerOptions = { module: ModuleKind.CommonJS, target: ScriptTarget.ES2022, esModuleInterop: true };
  return transpileModule(source, { compilerOptions }).outputText;
}
