/**
 * The recording of data/host as a series: its healthy hour for training, a label for each record after it. Records soon after
 * a fault are not judged: the machine is still busy with what the fault has left.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Records before the first fault. */
export const healthyRecords = 3600;
const afterEffectsMs = 30_000;

/**
 * Writes host.train.csv, host.test.csv and labels/host.label.csv.
 * @param source folder with host.csv.gz and labels.csv
 * @returns the faults as pairs of times, Unix ms
 */
export function prepareHost(source, folder) {
  mkdirSync(join(folder, 'labels'), { recursive: true });
  const [head, ...rows] = gunzipSync(readFileSync(join(source, 'host.csv.gz')))
    .toString()
    .trim()
    .split('\n');
  const faults = readFileSync(join(source, 'labels.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').slice(0, 2).map(Date.parse));
  const column = head.split(',').indexOf('timestamp');
  const write = (name, lines) => writeFileSync(join(folder, name), [...lines, ''].join('\n'));
  write('host.train.csv', [head, ...rows.slice(0, healthyRecords)]);
  const test = rows.slice(healthyRecords);
  write('host.test.csv', [head, ...test]);
  const labels = test.flatMap((row, i) => {
    const time = Date.parse(row.split(',')[column]);
    if (faults.some(([from, to]) => time >= from && time <= to)) return [`${i},1`];
    return faults.some(([, to]) => time > to && time <= to + afterEffectsMs) ? [] : [`${i},0`];
  });
  write('labels/host.label.csv', ['index,label', ...labels]);
  return faults;
}

/** As the demo counts: an event with an anomalous record during a fault finds it; a false one overlaps no fault or after-effects. */
export function judgeHost(faults, events) {
  const found = faults.filter(([from, to]) => events.some(({ start, end }) => start <= to && end >= from));
  const isNear = ({ start, openedAt }) =>
    faults.some(([from, to]) => openedAt >= from && start <= to + afterEffectsMs);
  return { found: found.length, falseEvents: events.filter((event) => !isNear(event)).length };
}
