/**
 * The daemon's way of a record without a broker: `pipeline.mjs` takes lines of JSON with sizes. Asked to train, it writes a small
 * model to a file; otherwise it reads one, as a daemon does whose trainings run in processes of their own, and answers with
 * what a record costs and what the process holds.
 */
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { answer } from '../lib/answer.mjs';
import { loadDetector } from '../lib/in-process.mjs';
import { createSettings, train } from '../lib/plain-detector.mjs';
import { residentMb } from '../lib/process.mjs';
import { createStream } from '../lib/streams.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const { openEngines, usualEngines } = dist('runtime/engines');

const batchRecords = 1000;

await answer({ node: process.version }, async (sizes) => {
  const { what, path, channels, keys, window, detectors = 1, records, every = Infinity } = sizes;
  const settings = await createSettings(sizes);
  const engines = await openEngines(usualEngines, { threaded: true });
  if (what === 'train') {
    writeFileSync(path, serialize(await train(settings, engines, sizes)));
    await engines.close();
    return {};
  }
  const files = deserialize(readFileSync(path));
  const all = [];
  let anomalies = 0;
  for (let d = 0; d < detectors; d++) {
    const { createHandle } = await loadDetector(settings, engines, files);
    all.push(
      createHandle(({ detections, deadLetters }) => {
        if (deadLetters.length > 0) throw new Error(deadLetters[0].message);
        anomalies += detections.length;
      }),
    );
  }
  const messages = createStream(channels, keys);
  const memory = [];
  // Full windows, and what runs often compiled.
  const warm = Math.max(keys * window, 100_000);
  let cpu = 0;
  for (let n = 0; n < warm + records; n += batchRecords) {
    const batch = messages(n, batchRecords);
    const before = process.cpuUsage();
    for (const handle of all) await handle({ topic: 'bench', partition: 0, messages: batch, lag: 0 });
    const { user, system } = process.cpuUsage(before);
    if (n >= warm) cpu += user + system;
    if (n >= warm && (n - warm) % every === 0) memory.push(Math.round(residentMb(process.pid)));
  }
  await engines.close();
  return {
    micros: cpu / (records * detectors),
    rss: residentMb(process.pid, 'peak'),
    memory,
    anomalies,
  };
});
process.exit(0);
