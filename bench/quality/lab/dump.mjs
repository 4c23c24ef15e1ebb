#!/usr/bin/env node
/**
 * The laboratory's raw material: trains a model as the shipped preset does and writes, for every record of the training and the
 * test part, what the model says of it before anything is made of that.
 *
 *   node bench/quality/lab/dump.mjs --set smd --data FOLDER --out FOLDER [--seed 1] [--detector FILE] [--only NAME,NAME]
 *
 * The set is a folder with NAME.train.csv[.gz], NAME.test.csv[.gz] and labels/NAME.label.csv[.gz] ; with `--one-train NAME` all
 * tests share that training part. Of each series there are OUT/SET/NAME.json (names, shapes, labels, report) and
 * OUT/SET/NAME.f32: one after the other, as the JSON lists them, arrays of float32 (raw values and times as float64).
 */
import { mkdirSync, readFileSync, writeFileSync, existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const load = createRequire(import.meta.url);
const dist = (path) => load(join(root, 'dist', path));
const { loadSeriesSettings } = dist('offline/evaluate/series-settings');
const { openEngines, usualEngines } = dist('runtime/engines');
const { createRecordDecoder } = dist('pipeline/record-decoder');
const { hasTimestamps, readRecords, toMessages } = dist('offline/evaluate/series');
const { chooseChannels } = dist('offline/evaluate/columns');
const { readRecordLabels } = dist('offline/evaluate/record-labels');
const { trainDetector } = dist('runtime/trainer');
const { decodeBundle } = dist('scoring/bundle');
const { createOfflinePipeline } = dist('offline/pipeline');
const { alarmThreshold } = dist('calibration/threshold');
const { createDatasetBuilder } = dist('training/dataset');
const { splitByTime } = dist('training/split');
const { createWindowBatch } = dist('domain/window');
const { createScaler } = dist('domain/scaler');

const { values: options } = parseArgs({
  options: {
    set: { type: 'string' },
    data: { type: 'string' },
    out: { type: 'string' },
    seed: { type: 'string', default: '1' },
    detector: { type: 'string', default: join(root, 'config/evaluate/sensor.yaml') },
    only: { type: 'string' },
    'one-train': { type: 'string' },
  },
});

const folder = join(options.data, options.set);
const out = join(options.out, options.seed === '1' ? options.set : `${options.set}-seed${options.seed}`);
mkdirSync(out, { recursive: true });
const engines = await openEngines(usualEngines);

const find = (part, name) => {
  const path = ['csv.gz', 'csv'].map((end) =>
    join(part === 'label' ? join(folder, 'labels') : folder, `${name}.${part}.${end}`),
  );
  return path.find(existsSync);
};
const names = readdirSync(folder)
  .filter((file) => /\.test\.csv(\.gz)?$/.test(file))
  .map((file) => basename(file).replace(/\.test\.csv(\.gz)?$/, ''))
  .filter((name) => options.only === undefined || options.only.split(',').includes(name));

let trained;

for (const name of names) {
  const began = performance.now();
  const files = { name, train: find('train', options['one-train'] ?? name), test: find('test', name) };
  const evaluated = { path: options.detector, overrides: { 'training.seed': options.seed }, env: {} };
  const { detector: settings, columns } = await loadSeriesSettings(evaluated, files);
  const fileColumns = settings.source.file.columns;
  const train = await readRecords(files.train, 'train', fileColumns);
  const test = await readRecords(files.test, 'test', fileColumns);
  const { channels: listed } = settings.record;
  // `loadSeriesSettings` lists the columns in reverse where the detector lists no channels.
  const isAssumed =
    listed.join() ===
    columns
      .filter((column) => column !== '')
      .reverse()
      .join();
  const channels = isAssumed ? chooseChannels(train, Object.keys(train.records[0].values)).channels : listed;
  // Files without times count milliseconds from 1970.
  const fields = hasTimestamps(train.records)
    ? settings.fields
    : { ...settings.fields, timestampFormat: 'ms' };
  const own = { ...settings, fields, record: { ...settings.record, channels } };
  const messages = {
    train: toMessages(train, 'train', name, 0),
    test: toMessages(test, 'test', name, train.records.length),
  };
  if (trained === undefined || options['one-train'] === undefined)
    trained = await trainOn(own, messages.train);
  const trainingSeconds = (performance.now() - began) / 1000;
  const label = find('label', name);
  const labels = label && [...(await readRecordLabels(label, name)).values()][0];
  await dump({ name, settings: own, messages, labels, trainingSeconds, ...trained });
  console.error(`${options.set} ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}
process.exit(0);

async function trainOn(settings, train) {
  const published = [];
  const { report } = await trainDetector({
    settings,
    readHistory: async function* ({ maxRecords }) {
      yield train.slice(-maxRecords);
    },
    store: { publish: async (bundle) => (published.push(bundle), 'lab') },
    engines,
    exclude: [],
    writtenBy: {},
    onProgress: () => undefined,
    now: Date.now,
  });
  return { bundle: published[0], report };
}

async function dump({ name, settings, messages, labels, bundle, report, trainingSeconds }) {
  const recordDecoder = createRecordDecoder(settings);
  const detector = await decodeBundle('lab', bundle, recordDecoder.table, engines.openScoring);
  const builder = createDatasetBuilder(recordDecoder.shape.channels, recordDecoder.shape.conditions);
  const trainBuilder = createDatasetBuilder(recordDecoder.shape.channels, recordDecoder.shape.conditions);
  for (const [part, all] of Object.entries(messages)) {
    const { records } = await recordDecoder.decode(all, Date.now());
    builder.add(records);
    if (part === 'train') trainBuilder.add(records);
  }
  const options = { time: settings.window, exclude: [], maxExcludedShare: 1, limits: () => [] };
  const data = builder.build(recordDecoder.shape, options);
  const history = trainBuilder.build(recordDecoder.shape, options);
  const split = splitByTime(history, settings.calibration.share);
  // 0 fit, 1 validation, 2 calibration, 3 test, 4 a window of the training part that no block has.
  const trainCount = history.ends.length;
  const part = new Float32Array(data.ends.length).fill(3).fill(4, 0, trainCount);
  // In order of time, windows of both stand in the same places; their rows need not.
  const placeOf = new Map([...history.ends].map((end, i) => [end, i]));
  [split.fit, split.validation, split.calibration].forEach((ends, p) =>
    ends.forEach((end) => (part[placeOf.get(end)] = p)),
  );

  const { channels, length } = recordDecoder.shape;
  const n = data.ends.length;
  const keyOfRow = new Float32Array(data.timestamps.length);
  for (let row = 1; row < keyOfRow.length; row++)
    keyOfRow[row] = keyOfRow[row - 1] + (data.timestamps[row] <= data.timestamps[row - 1] ? 1 : 0);
  const scaler = createScaler(detector.state.scaler);
  const columns = {
    part,
    /** Number of the device, in the order in which devices came. */
    key: Float32Array.from(data.ends, (end) => keyOfRow[end]),
    conditions: new Float32Array(n * recordDecoder.shape.conditions),
    parts: new Float32Array(n * channels),
    errors: new Float32Array(n * channels),
    expected: new Float32Array(n * channels),
    newestParts: new Float32Array(n * channels),
    scaled: new Float32Array(n * channels),
  };
  const values = new Float64Array(n * channels);
  const times = new Float64Array(n);
  const chunk = 512;
  for (let from = 0; from < n; from += chunk) {
    const ends = data.ends.subarray(from, from + chunk);
    const batch = createWindowBatch(recordDecoder.shape, ends.length);
    for (const end of ends) data.copy(end, batch);
    const raw = await detector.assess(batch);
    for (const [statistic, column] of Object.entries(raw.statistics))
      (columns[statistic] ??= new Float32Array(n)).set(column, from);
    columns.parts.set(raw.contributions, from * channels);
    columns.errors.set(raw.meanErrors, from * channels);
    columns.expected.set(raw.expected, from * channels);
    const excess = await detector.heat(batch);
    for (let w = 0; w < ends.length; w++) {
      const at = (from + w) * channels;
      columns.newestParts.set(
        excess.subarray(((w + 1) * length - 1) * channels, (w + 1) * length * channels),
        at,
      );
      for (let j = 0; j < channels; j++) {
        values[at + j] = data.values[ends[w] * channels + j];
        columns.scaled[at + j] = Number.isNaN(values[at + j]) ? NaN : scaler.scale(values[at + j], j);
      }
      for (let j = 0; j < recordDecoder.shape.conditions; j++)
        columns.conditions[(from + w) * recordDecoder.shape.conditions + j] =
          data.conditions[ends[w] * recordDecoder.shape.conditions + j];
      times[from + w] = data.timestamps[ends[w]];
    }
  }

  const shipped = await asShipped(settings, recordDecoder, detector, messages);
  const rowAt = new Map(
    messages.test.map(({ value }, i) => [timeOf(JSON.parse(value).timestamp), i]).reverse(),
  );
  columns.row = Float32Array.from(times, (time) => rowAt.get(time) ?? -1);
  columns.shipped = columns.row.map((row) => shipped.scores[row] ?? NaN);
  columns.shippedFlag = columns.row.map((row) => shipped.flags[row] ?? NaN);
  detector.dispose();

  const buffers = Object.entries({ ...columns, values, times });
  const meta = {
    name,
    channels: settings.record.channels,
    windowLength: length,
    records: n,
    trainWindows: trainCount,
    testRecords: messages.test.length,
    labels: [...(labels ?? [])],
    arrays: buffers.map(([key, array]) => ({
      key,
      width: array.length / n,
      type: array instanceof Float64Array ? 'f8' : 'f4',
    })),
    target: shipped.target,
    threshold: shipped.threshold,
    report,
    trainingSeconds,
  };
  writeFileSync(join(out, `${name}.json`), JSON.stringify(meta));
  writeFileSync(
    join(out, `${name}.f32`),
    Buffer.concat(buffers.map(([, a]) => Buffer.from(a.buffer, a.byteOffset, a.byteLength))),
  );
}

function timeOf(timestamp) {
  return typeof timestamp === 'number' ? timestamp : Date.parse(timestamp);
}

/** What the shipped pipeline makes of it. */
async function asShipped(settings, recordDecoder, detector, { train, test }) {
  const { ratio: target, surprise: threshold } = alarmThreshold(
    settings.calibration.falseAlarmTarget,
    detector.state,
  );
  const scores = new Float64Array(test.length);
  const flags = new Uint8Array(test.length);
  const active = { detector, threshold };
  const handle = createOfflinePipeline({
    settings,
    recordDecoder,
    current: () => active,
    onOutcome({ detections }) {
      for (const { origin, surprise, anomalous } of detections) {
        scores[Number(origin.offset)] = surprise;
        flags[Number(origin.offset)] = anomalous ? 1 : 0;
      }
    },
  });
  const before = train.map((one, i) => ({
    ...one,
    origin: { ...one.origin, offset: String(i - train.length) },
  }));
  for (const all of [before, test])
    for (let from = 0; from < all.length; from += 1000)
      await handle({
        topic: settings.detector,
        partition: 0,
        messages: all.slice(from, from + 1000),
        lag: 0,
      });
  return { scores, flags, target, threshold };
}
