/** How the cost of a record, and the memory of a process, grow with devices, channels, windows and detectors. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../lib/broker.mjs';
import { measurePipeline } from '../lib/pipeline.mjs';
import { plot } from '../lib/plot.mjs';
import { cpuSeconds, residentMb, until } from '../lib/process.mjs';
import { produce, trainModel, vaemon } from './kafka.mjs';

const usual = { channels: 8, window: 32, keys: 100, detectors: 1 };
const axes = {
  keys: [10, 100, 1000, 10_000, 100_000],
  channels: [8, 16, 32, 64, 128],
  window: [16, 32, 64, 128, 256],
  detectors: [1, 2, 4, 8, 16],
};

const replicas = [1, 2, 4];
/** Of the records, before anything is measured. */
const warmUpShare = 0.2;

/** So many processes of one group share the partitions of a real broker. */
async function measureReplicas(broker, folder, count, records) {
  const group = `replicas-${count}`;
  const topic = 'records-json';
  await broker.createTopic(group, 1);
  const starting = Array.from({ length: count }, () =>
    vaemon('vaemon', broker, folder, {}).start({ topic, format: 'json', group }),
  );
  const children = (await Promise.all(starting)).map(({ child }) => child);
  try {
    const committed = (share) => async () => (await broker.committed(group, topic)) >= share * records;
    const used = () => children.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    await until(committed(warmUpShare), { what: `${count} replicas to begin` });
    const before = { at: performance.now(), cpu: used(), done: await broker.committed(group, topic) };
    await until(committed(1), { what: `${count} replicas to end` });
    const done = records - before.done;
    return {
      micros: (1e6 * (used() - before.cpu)) / done,
      perSecond: (1000 * done) / (performance.now() - before.at),
      rss: children.reduce((sum, { pid }) => sum + residentMb(pid, 'peak'), 0),
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

export async function growReplicas({ records, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  const broker = await startBroker(join(folder, 'broker'));
  try {
    await produce(broker, 'json', records, log);
    await trainModel(broker, folder);
    const rows = [];
    for (const size of replicas) {
      const one = await measureReplicas(broker, folder, size, records);
      rows.push({ axis: 'replicas', size, ...one });
      log(
        `replicas ${size}: ${one.micros.toFixed(1)} CPU µs a record, ${Math.round(one.perSecond)} records/s`,
      );
    }
    return rows;
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function run({ growthRecords, records, log }) {
  const rows = await growReplicas({ records, log });
  for (const [axis, sizes] of Object.entries(axes)) {
    for (const size of sizes) {
      const each = Math.ceil(growthRecords / (axis === 'detectors' ? size : 1) / 1000) * 1000;
      const { micros, rss } = await measurePipeline({ ...usual, [axis]: size, records: each });
      rows.push({ axis, size, micros, rss });
      log(`${axis} ${size}: ${micros.toFixed(1)} CPU µs a record, ${Math.round(rss)} MB`);
    }
  }
  return { usual, rows };
}

export function format({ usual, rows }) {
  const { channels, window, keys } = usual;
  const lines = [
    `Where nothing else is said: ${keys} devices, ${channels} channels, windows of ${window}, one detector.`,
    '',
    '| grows | to | CPU µs a record | peak RSS | records/s |',
    '| ----- | -: | --------------: | -------: | --------: |',
  ];
  for (const { axis, size, micros, rss, perSecond } of rows) {
    const cells = [axis, size.toLocaleString('en'), micros.toFixed(1), `${Math.round(rss)} MB`];
    lines.push(
      `| ${cells.join(' | ')} | ${perSecond === undefined ? '' : Math.round(perSecond).toLocaleString('en')} |`,
    );
  }
  return lines.join('\n');
}

/** The same as a picture, SVG. */
export function picture({ rows }) {
  const panels = [...Object.keys(axes), 'replicas'].map((axis) => {
    const own = rows.filter((row) => row.axis === axis);
    return {
      title: axis,
      x: own.map(({ size }) => size),
      lines: [
        { name: 'CPU µs a record', y: own.map(({ micros }) => micros) },
        { name: 'peak RSS, MB', y: own.map(({ rss }) => rss) },
      ],
    };
  });
  return plot(panels);
}
