/** Runs before each test file. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as Threads from 'node:worker_threads';

/** Long enough for a busy machine; only a test that hangs exceeds it. */
jest.setTimeout(60_000);

/** A thread of src/ starts from its TypeScript, as src/ has no JavaScript. */
jest.mock('node:worker_threads', () => {
  const threads = jest.requireActual<typeof Threads>('node:worker_threads');
  return {
    ...threads,
    Worker: class extends threads.Worker {
      constructor(path: string, options: Threads.WorkerOptions = {}) {
        const source = path.replace(/\.js$/, '.ts');
        if (!existsSync(source)) super(path, options);
        else super(source, { ...options, execArgv: ['--require', join(__dirname, 'typescript-hook.js')] });
      }
    },
  };
});
