/** Measures the pipeline at given sizes, with a model that another process has trained. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startContender } from './contenders.mjs';

async function ask(request) {
  const script = fileURLToPath(new URL('../contenders/pipeline.mjs', import.meta.url));
  const contender = await startContender('vaemon', process.execPath, [script]);
  try {
    return await contender.ask(request);
  } finally {
    await contender.end();
  }
}

export async function measurePipeline(sizes) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  try {
    const path = join(folder, 'version');
    await ask({ ...sizes, what: 'train', path });
    return await ask({ ...sizes, what: 'measure', path });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
