/**
 * End to end: records of a real broker to windows to a model to detections on a topic, offsets committed. vaemon, and the pipeline
 * that an engineer would write in Python, read the same records with the same weights and flag the same ones.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startBroker } from '../lib/broker.mjs';
import { findPython, median, oneThread, spread } from '../lib/contenders.mjs';
import { channels, createMachines, modes, toBinary, toJson } from '../lib/machines.mjs';
import { cpuSeconds, metric, residentMb, until } from '../lib/process.mjs';
import { readVersion, thresholdOf, writeWeights } from '../lib/version.mjs';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const partitions = 4;
const machines = 200;
/** Of the live load: no two records of a machine may have one time. */
const liveMachines = 1000;
const windowLength = 32;
const target = 0.001;
/** Of the records, before anything is measured. */
const warmUpShare = 0.2;

export async function run({ rounds, records, liveSeconds, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'vaemon-bench-'));
  const broker = await startBroker(join(folder, 'broker'));
  try {
    for (const format of ['json', 'binary']) await produce(broker, format, records, log);
    log('training');
    const settings = await trainModel(broker, folder);
    const contenders = [
      vaemon('vaemon', broker, folder, {}),
      vaemon('vaemon, all its statistics', broker, folder, {
        'calibration.statistics': 'reconstruction,linear,newest',
        'store.path': join(folder, 'store-all'),
      }),
      ...pythonContenders(broker, folder, settings, log),
    ];
    const rows = [];
    for (const format of ['json', 'binary']) {
      const results = await throughput(broker, contenders, { format, records, rounds, log });
      rows.push({ format, results });
    }
    const live = [];
    for (const { format, results } of rows) {
      const perSecond = Math.round(Math.min(...results.map((one) => one.perSecond)) / 2);
      for (const contender of contenders)
        live.push({
          format,
          ...(await latency(broker, contender, { format, folder, perSecond, seconds: liveSeconds, log })),
        });
    }
    return { records, machines, partitions, rows, live };
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes all records of a format to its topic. */
export async function produce(broker, format, records, log) {
  log(`producing ${records} records, ${format}`);
  const { Partitioners } = require('kafkajs');
  await broker.createTopic(`records-${format}`, partitions);
  const producer = broker.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const machine = createMachines({ faultEvery: 5000 });
  const encode = format === 'binary' ? toBinary : toJson;
  const start = Date.now() - 1000 * Math.ceil(records / machines) - 60_000;
  for (let from = 0; from < records; from += 4000) {
    const messages = Array.from({ length: Math.min(4000, records - from) }, (_, i) => {
      const k = (from + i) % machines;
      const t = Math.floor((from + i) / machines);
      const record = machine(k, t);
      return { key: record.key, partition: k % partitions, value: encode(record, start + 1000 * t) };
    });
    await producer.send({ topic: `records-${format}`, messages, acks: 1 });
  }
  await producer.disconnect();
}

/** Trains the model of all contenders; returns what Python needs to know of it. */
export async function trainModel(broker, folder) {
  mkdirSync(join(folder, 'config/detectors'), { recursive: true });
  writeFileSync(
    join(folder, 'config/detectors/bench.yaml'),
    `detector: bench
source: { kind: kafka, kafka: { brokers: ['${broker.bootstrap}'], topic: records-json, startFrom: earliest } }
fields: { key: key, timestamp: timestamp, values: values, conditions: conditions }
record:
  channels: [${channels.join(', ')}]
  conditions: { mode: { kind: category, maxValues: ${modes.length} } }
window: { length: ${windowLength} }
model: { kind: cvae, hidden: [128, 64], latentDim: 16 }
training: { schedule: '', maxRecords: 40000, epochs: 4 }
calibration: { falseAlarmTarget: ${target}, statistics: [reconstruction] }
sinks: { log: { enabled: false }, kafka: { enabled: true, detectionsTopic: nowhere, deadLetterTopic: dead } }
`,
  );
  await broker.createTopic('dead', 1);
  for (const [store, statistics] of [
    ['store', 'reconstruction'],
    ['store-all', 'reconstruction,linear,newest'],
  ])
    command('train', folder, {
      'store.path': join(folder, store),
      'calibration.statistics': statistics,
    });
  return exportModel(folder);
}

/** Weights, graph, scales and the threshold of the statistic, of the model that was trained. */
async function exportModel(folder) {
  const { openBackend } = dist('tensor');
  const { softLimit } = dist('domain/scaler');
  await openBackend('wasm');
  const { files, state, model } = await readVersion(join(folder, 'store'), 'bench');
  writeWeights(model, join(folder, 'weights.safetensors'));
  writeFileSync(join(folder, 'score.onnx'), files.get('score.onnx'));
  return {
    channels,
    modes: state.conditions.categories.mode,
    length: windowLength,
    latent: state.spec.latentDim,
    center: state.scaler.center,
    scale: state.scaler.scale,
    softLimit,
    threshold: thresholdOf(state, target),
    weights: join(folder, 'weights.safetensors'),
    onnx: join(folder, 'score.onnx'),
  };
}

function argumentsOf(name, folder, settings) {
  const all = Object.entries({ 'http.port': 0, 'log.format': 'json', ...settings });
  return [
    here('../../dist/main.js'),
    name,
    join(folder, 'config'),
    ...all.map(([key, value]) => `--set=${key}=${value}`),
  ];
}

function command(name, folder, settings) {
  execFileSync(process.execPath, argumentsOf(name, folder, settings), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** vaemon as it is installed, with its own settings but for what `changes` says. */
export function vaemon(name, broker, folder, changes) {
  return {
    name,
    async start({ topic, format, group }) {
      const child = spawn(
        process.execPath,
        argumentsOf('run', folder, {
          'store.path': join(folder, 'store'),
          'source.kafka.topic': topic,
          'source.kafka.groupId': group,
          'source.kafka.startFrom': 'earliest',
          'record.format': format,
          'record.extraChannels': 'ignore',
          'sinks.kafka.detectionsTopic': group,
          ...changes,
        }),
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
      const url = await until(() => /"url":"([^"]+)"/.exec(text)?.[1], { what: `${name} to start: ${text}` });
      return { child, metrics: `${url}/metrics`, consumed: 'vaemon_records_consumed_total' };
    },
  };
}

function pythonContenders(broker, folder, model, log) {
  const python = findPython();
  if (python === undefined) {
    log('no Python for the comparison: npm run bench -- setup, or VAEMON_BENCH_PYTHON');
    return [];
  }
  return ['pytorch', 'onnxruntime'].map((engine) => ({
    name: `Python, ${engine}`,
    async start({ topic, format, group }) {
      const metricsPort = await freePort();
      const path = join(folder, `${group}.json`);
      const settings = {
        ...model,
        engine,
        format,
        bootstrap: broker.bootstrap,
        topic,
        group,
        detections: group,
        metricsPort,
        batch: 2000,
        timeout: 0.02,
      };
      writeFileSync(path, JSON.stringify(settings));
      const child = spawn(python, [here('../python/pipeline.py'), path], {
        env: { ...process.env, ...oneThread },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve);
        child.once('exit', () => reject(new Error(`Python, ${engine} ended before it began`)));
      });
      return { child, metrics: `http://127.0.0.1:${metricsPort}`, consumed: 'records_consumed_total' };
    },
  }));
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function end(child) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** All records of a topic, from its beginning to its end, in turns. */
async function throughput(broker, contenders, { format, records, rounds, log }) {
  const runs = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      const one = await consumeAll(broker, contender, format, records);
      runs.get(contender.name).push(one);
      log(
        `${format}, ${contender.name}: ${Math.round(one.perSecond)} records/s, ` +
          `${one.cpu.toFixed(2)} CPU s a million, ${Math.round(one.rss)} MB, ${one.flagged.size} flagged`,
      );
    }
  }
  const reference = runs.get(contenders[0].name)[0].flagged;
  return contenders.map(({ name }) => {
    const all = runs.get(name);
    const of = (what) => median(all.map((one) => one[what]));
    const { flagged } = all[0];
    const others = [...flagged].filter((place) => !reference.has(place)).length;
    const missing = [...reference].filter((place) => !flagged.has(place)).length;
    return {
      name,
      perSecond: of('perSecond'),
      spread: spread(all.map((one) => one.cpu)),
      cpu: of('cpu'),
      perCore: 1e6 / of('cpu'),
      rss: of('rss'),
      answerMs: of('answerMs'),
      flagged: flagged.size,
      differently: others + missing,
    };
  });
}

let groups = 0;

async function consumeAll(broker, contender, format, records) {
  const group = `group-${groups++}`;
  const topic = `records-${format}`;
  await broker.createTopic(group, 1);
  const { child, metrics, consumed } = await contender.start({ topic, format, group });
  try {
    // A daemon runs for months: what starting costs, and compiling what runs often, is not what a record costs.
    await until(async () => (await metric(metrics, consumed)) >= warmUpShare * records, {
      everyMs: 20,
      what: contender.name,
    });
    const before = {
      at: performance.now(),
      cpu: cpuSeconds(child.pid),
      done: await metric(metrics, consumed),
    };
    const answers = [];
    const isThrough = async () => {
      const asked = performance.now();
      const done = await metric(metrics, consumed);
      answers.push(performance.now() - asked);
      return done >= records;
    };
    await until(isThrough, { everyMs: 200, what: contender.name });
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = cpuSeconds(child.pid) - before.cpu;
    const done = records - before.done;
    await until(async () => (await broker.committed(group, topic)) >= records, { what: 'the last commit' });
    const rss = residentMb(child.pid, 'peak');
    await end(child);
    const flagged = new Set((await broker.read(group)).flatMap(placeOf));
    answers.sort((a, b) => a - b);
    const answerMs = answers[Math.floor(0.99 * answers.length)];
    return { perSecond: done / seconds, cpu: (1e6 * cpu) / done, rss, answerMs, flagged };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Of a detection, where its record is; of an event nothing. */
function placeOf({ value }) {
  const { source } = JSON.parse(value.toString());
  return source === undefined ? [] : [`${source.partition}/${source.offset}`];
}

/** From the time at which a faulty record was produced to the time at which the broker got the verdict, ms. */
async function latency(broker, contender, { format, folder, perSecond, seconds, log }) {
  const group = `group-${groups++}`;
  const topic = `live-${groups}`;
  await broker.createTopic(topic, partitions);
  await broker.createTopic(group, 1, { 'message.timestamp.type': 'LogAppendTime' });
  const { child, metrics, consumed } = await contender.start({ topic, format, group });
  try {
    const path = join(folder, `${topic}.json`);
    const faultEvery = 1000;
    writeFileSync(
      path,
      JSON.stringify({
        bootstrap: broker.bootstrap,
        topic,
        perSecond,
        seconds,
        machines: liveMachines,
        partitions,
        format,
        faultEvery,
      }),
    );
    const load = spawn(process.execPath, [here('../lib/load.mjs'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    load.stdout.setEncoding('utf8').on('data', (part) => (text += part));
    const began = Date.now();
    const warm = wait(1000 * warmUp(seconds)).then(() => ({ cpu: cpuSeconds(child.pid), at: Date.now() }));
    await new Promise((resolve) => load.once('exit', resolve));
    const { sent, seconds: took } = JSON.parse(text);
    await until(async () => (await metric(metrics, consumed)) >= sent, {
      withinMs: 120_000,
      what: contender.name,
    });
    const before = await warm;
    const cpuShare = (1000 * (cpuSeconds(child.pid) - before.cpu)) / (Date.now() - before.at);
    await end(child);
    const delays = (await broker.read(group))
      .map(({ value, timestamp }) => ({ ...JSON.parse(value.toString()), verdictAt: Number(timestamp) }))
      // The first windows have to fill, and whatever compiles as it runs to be compiled.
      .filter(
        ({ source, timestampMs }) => source !== undefined && timestampMs > began + 1000 * warmUp(seconds),
      )
      .map(({ verdictAt, timestampMs }) => verdictAt - timestampMs)
      .sort((a, b) => a - b);
    const result = {
      name: contender.name,
      perSecond: sent / took,
      cpuShare,
      verdicts: delays.length,
      p50: delays[Math.floor(0.5 * delays.length)],
      p99: delays[Math.floor(0.99 * delays.length)],
    };
    log(
      `${format}, ${contender.name} at ${Math.round(result.perSecond)} records/s: p50 ${result.p50} ms, p99 ${result.p99} ms (${delays.length} verdicts)`,
    );
    return result;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Seconds at the beginning that do not count. */
function warmUp(seconds) {
  return seconds / 3;
}

export function format({ records, rows, live }) {
  const lines = [
    `${records.toLocaleString('en')} records of a topic with ${partitions} partitions, ${machines} machines, M1:`,
    '',
    '| format | pipeline | records/s | CPU s a million | spread | records/s of a core | × Python | peak RSS | /metrics p99 | flagged | differently |',
    '| ------ | -------- | --------: | --------------: | ------ | ------------------: | -------: | -------: | -----------: | ------: | ----------: |',
  ];
  const number = (value) => Math.round(value).toLocaleString('en');
  for (const { format: name, results } of rows) {
    const peers = results.filter((one) => one.name.startsWith('Python')).map(({ perCore }) => perCore);
    for (const one of results) {
      const ratio = peers.length > 0 ? (one.perCore / Math.max(...peers)).toFixed(2) : '–';
      const cells = [name, one.name, number(one.perSecond), one.cpu.toFixed(1), one.spread];
      cells.push(
        number(one.perCore),
        ratio,
        `${number(one.rss)} MB`,
        `${number(one.answerMs)} ms`,
        one.flagged,
        one.differently,
      );
      lines.push(`| ${cells.join(' | ')} |`);
    }
  }
  lines.push(
    '',
    'At half the rate of the slowest, from producing a record to its verdict on the topic:',
    '',
    '| format | pipeline | records/s | p50 | p99 | cores used |',
    '| ------ | -------- | --------: | --: | --: | ---------: |',
  );
  for (const one of live) {
    const cells = [one.format, one.name, number(one.perSecond), `${one.p50} ms`, `${one.p99} ms`];
    lines.push(`| ${cells.join(' | ')} | ${one.cpuShare.toFixed(2)} |`);
  }
  return lines.join('\n');
}
