#!/usr/bin/env node
/**
 * The promise, measured: how many records of normal data alarm, against the target. Each training part is cut in the middle;
 * a detector is trained on the first half, and what alarms in the second is a false alarm.
 *
 *   npm run bench:promise -- [--data FOLDER] [--sets host,skab,smd,asd,nab] [--targets 0.01,0.001] [--set key=value]…
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { healthyRecords } from './host.mjs';
import { prepareNab } from './nab.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

const { values: options } = parseArgs({
  options: {
    data: { type: 'string', default: join(root, '../shared/data') },
    sets: { type: 'string', default: 'host,skab,smd,asd,nab' },
    targets: { type: 'string', default: '0.01,0.001' },
    set: { type: 'string', multiple: true, default: [] },
  },
});

/** What `preset: sensor` trains on at least, and the records before the first full window. */
const leastRecords = 110;

const scratch = mkdtempSync(join(tmpdir(), 'vaemon-promise-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

console.log(
  '| set | target | realised | 95 % interval | realised / target | records | series within 0.5–2 |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const set of options.sets.split(',')) {
  const folder = prepare(set);
  if (folder === undefined) continue;
  for (const target of options.targets.split(',').map(Number)) report(set, folder, target);
}

/** A folder with both halves of each normal part, or undefined where the set is not there. */
function prepare(set) {
  const folder = join(scratch, set);
  mkdirSync(folder);
  if (set === 'host') {
    halve(join(root, 'data/host/host.csv.gz'), folder, 'host', healthyRecords);
    return folder;
  }
  let source = join(options.data, set);
  if (!existsSync(source)) {
    console.error(`bench:promise: skipped ${set}: there is no ${source}`);
    return undefined;
  }
  if (set === 'nab') {
    const prepared = join(scratch, 'nab-series');
    prepareNab(source, prepared);
    source = prepared;
  }
  for (const file of readdirSync(source)) {
    const name = /^(.*)\.train\.csv(\.gz)?$/.exec(file)?.[1];
    if (name !== undefined) halve(join(source, file), folder, name, Infinity);
  }
  return folder;
}

function halve(path, folder, name, records) {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  const [head, ...all] = text.trim().split(/\r?\n/);
  const rows = all.slice(0, records);
  const middle = rows.length >> 1;
  if (middle < leastRecords) {
    console.error(`bench:promise: skipped ${name}: half of it, ${middle} records, is too little to train on`);
    return;
  }
  const write = (part, lines) =>
    writeFileSync(join(folder, `${name}.${part}.csv`), [head, ...lines, ''].join('\n'));
  write('train', rows.slice(0, middle));
  write('test', rows.slice(middle));
}

function report(set, folder, target) {
  const detector = set === 'host' ? 'config/demo/detectors/host.yaml' : 'config/evaluate/sensor.yaml';
  const settings = [`calibration.falseAlarmTarget=${target}`, ...options.set];
  const output = execFileSync(
    process.execPath,
    [
      join(root, 'dist/main.js'),
      ...['evaluate', join(root, detector), '--train', folder, '--test', folder, '--json'],
      ...settings.map((setting) => `--set=${setting}`),
      `--out=${join(folder, 'scores.csv')}`,
    ],
    { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const { alarms } = JSON.parse(output);
  const { ratio, low, high, records } = alarms.find((one) => one.target === target);
  const bySeries = ratios(join(folder, 'scores.csv'));
  const within = bySeries.filter(([, one]) => one >= target / 2 && one <= target * 2);
  const listed = bySeries.map(([name, one]) => `${name} ${one.toPrecision(2)}`);
  console.error(`bench:promise: ${set} at ${target}: ${listed.join(', ')}`);
  const series = readdirSync(folder).filter((file) => file.endsWith('.test.csv')).length;
  const cells = [set, target, ratio.toPrecision(2), `${low.toPrecision(2)}–${high.toPrecision(2)}`];
  cells.push((ratio / target).toFixed(2), records, `${within.length} of ${series}`);
  console.log(`| ${cells.join(' | ')} |`);
}

/** Realised ratio of each series. */
function ratios(path) {
  const bySeries = new Map();
  for (const line of readFileSync(path, 'utf8').trim().split('\n').slice(1)) {
    const [name, , , flag] = line.split(',');
    const series = bySeries.get(name) ?? { flags: 0, records: 0 };
    series.flags += Number(flag);
    series.records++;
    bySeries.set(name, series);
  }
  return [...bySeries].map(([name, { flags, records }]) => [name, flags / records]);
}
