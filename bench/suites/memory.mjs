/** Memory over time: 10,000 devices of 8 channels with windows of 32, and millions of records. */
import { measurePipeline } from '../lib/pipeline.mjs';

export async function run({ memoryRecords, log }) {
  const sizes = { channels: 8, window: 32, keys: 10_000, records: memoryRecords, every: memoryRecords / 10 };
  const { rss, memory } = await measurePipeline(sizes);
  log(`${memory.join(', ')} MB; peak ${Math.round(rss)} MB`);
  return { memoryRecords, rss, memory };
}

export function format({ memoryRecords, rss, memory }) {
  return [
    `10,000 devices × 8 channels × 32 records, ${memoryRecords.toLocaleString('en')} records; RSS of the process, the trainer not included:`,
    '',
    `| ${memory.map((_, i) => `${i * 10} %`).join(' | ')} | peak |`,
    `|${memory.map(() => '-:').join('|')}|-:|`,
    `| ${memory.join(' | ')} | ${Math.round(rss)} MB |`,
  ].join('\n');
}
