#!/usr/bin/env node
/**
 * Records one-second metrics of a small HTTP service under load, with labelled
 * faults in the later part. See README.md for the channels and the faults.
 *
 *   node record.mjs --out DIR [--seed 7] [--duration 7320] [--fault-free 3660]
 *                   [--rounds 2] [--time-scale 1] [--warm-up 45]
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { induce, planFaults } from './record/faults.mjs';
import { createSlice } from './record/slice.mjs';

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    seed: { type: 'string', default: '7' },
    duration: { type: 'string', default: '7320' },
    'fault-free': { type: 'string', default: '3660' },
    rounds: { type: 'string', default: '2' },
    'time-scale': { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '45' },
  },
});
if (options.out === undefined) throw new Error('--out DIR is required');
const seed = Number(options.seed);
const duration = Number(options.duration);
const faultFree = Number(options['fault-free']);
const timeScale = Number(options['time-scale']);
const warmUp = Number(options['warm-up']);

const KEY = 'host-1';
const CHANNELS = [
  'cpu_user', 'cpu_system', 'io_wait', 'load1', 'context_switches',
  'mem_used_bytes', 'mem_cached_bytes', 'page_faults',
  'disk_read_bytes', 'disk_write_bytes', 'net_rx_bytes', 'net_tx_bytes',
  'http_requests', 'http_latency_p50', 'http_latency_p95',
];
const PORT = 8080;
const QUIET_END_S = 65;
const ACTIVE_PROBE_MS = 200;
const LOAD_WINDOW_S = 60;

const plan = planFaults({
  seed,
  from: faultFree,
  until: duration - QUIET_END_S * Math.min(1, timeScale),
  rounds: Number(options.rounds),
  timeScale,
});

fs.mkdirSync(options.out, { recursive: true });
const here = path.dirname(fileURLToPath(import.meta.url));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'host-recording-'));
const iso = (ms) => new Date(ms).toISOString();
const log = (text) => fs.appendFileSync(path.join(options.out, 'record.log'), `${iso(Date.now())} ${text}\n`);
const csv = fs.openSync(path.join(options.out, 'host.csv'), 'w');
const labels = fs.openSync(path.join(options.out, 'labels.csv'), 'w');
fs.writeSync(csv, `timestamp,key,mode,${CHANNELS.join(',')}\n`);
fs.writeSync(labels, 'start,end,kind,channels\n');

os.setPriority(0, -20);
const slice = createSlice({ name: 'host-recording', serviceCpu: 1, loadCpu: 0 });

let stopping = false;
let service;
let load;
let latestSecond;
let latestWait = { waited: 0 };
const pendingAdmin = new Map();
let adminId = 0;

/** Starts a part again, with a line in the log, should it ever end. */
function keepRunning(name, start, assign) {
  const child = start();
  assign(child);
  child.on('exit', (code, signal) => {
    if (stopping) return;
    log(`${name} ended (${code ?? signal}), starting it again`);
    setTimeout(() => keepRunning(name, start, assign), 500);
  });
  child.on('error', (error) => log(`${name}: ${error.message}`));
}

const stdio = ['ignore', 'ignore', fs.openSync(path.join(options.out, 'parts.log'), 'a'), 'ipc'];
/* Fixed malloc thresholds: freed buffers go back to the system, so resident
 * memory after a fault returns to where it was. */
const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '262144', MALLOC_ARENA_MAX: '2' };

const serviceReady = new Promise((resolve) => {
  keepRunning(
    'service',
    () =>
      slice.inSlice(process.execPath, {
        args: ['--expose-gc', '--max-old-space-size=128', '--max-semi-space-size=4',
          path.join(here, 'record/service.mjs'), scratch, slice.serviceAddress, String(PORT), String(seed + 1)],
        stdio,
        env,
      }),
    (child) => {
      service = child;
      child.on('message', (message) => {
        if (message.type === 'ready') resolve();
        else if (message.type === 'second') latestWait = message;
        else pendingAdmin.get(message.id)?.();
      });
    },
  );
});

const host = {
  spawnInSlice(script) {
    const child = slice.inSlice('sh', { args: ['-c', script], stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const signal = (what) => {
      try {
        process.kill(-child.pid, what);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    };
    return { signal, kill: () => (signal('SIGKILL'), ended) };
  },
  admin(adminPath) {
    const id = (adminId += 1);
    const answered = new Promise((resolve) => pendingAdmin.set(id, resolve));
    service.send({ id, path: adminPath });
    return answered.finally(() => pendingAdmin.delete(id));
  },
  load: (message) => load.send(message),
  stick: (channels) => (stuck = channels),
  file: (name) => path.join(scratch, name),
  remove: (file) => fs.rmSync(file, { force: true }),
};

let stuck = [];
let load1 = 0;
let userShare = 0.8;
let before;
let lastRow;

function measure() {
  const now = slice.sample(service.pid);
  const past = before;
  before = now;
  if (past === undefined) return undefined;
  const seconds = Number(now.at - past.at) / 1e9;
  const rate = (field) => Math.max(0, now.totals[field] - past.totals[field]) / seconds;
  /* The total is exact to the nanosecond; only its split into user and system
   * is sampled by the kernel's tick, hence the smoothing of the share. */
  const ticks = rate('cpuUserTicks') + rate('cpuSystemTicks');
  if (ticks > 0) userShare += 0.4 * (rate('cpuUserTicks') / ticks - userShare);
  const cpu = rate('cpu') / 1e9;
  return {
    cpu_user: cpu * userShare,
    cpu_system: cpu * (1 - userShare),
    load1,
    context_switches: now.growth.switches / seconds,
    mem_used_bytes: now.memory.used,
    mem_cached_bytes: now.memory.cached,
    page_faults: rate('faults'),
    disk_read_bytes: now.growth.diskRead / seconds,
    disk_write_bytes: now.growth.diskWrite / seconds,
    net_rx_bytes: rate('received'),
    net_tx_bytes: rate('sent'),
  };
}

const format = (name, value) =>
  String(name.endsWith('_bytes') ? Math.round(value) : Number(value.toPrecision(6)));

const reported = (second) => latestSecond?.second === second && latestWait.second === second;

function writeRow(second, measured) {
  if (!reported(second)) log(`no report of the service or the load generator for ${iso(second)}, repeating its last`);
  const row = {
    ...measured,
    io_wait: latestWait.waited,
    http_requests: latestSecond.requests,
    http_latency_p50: latestSecond.p50,
    http_latency_p95: latestSecond.p95,
  };
  if (lastRow !== undefined) for (const channel of stuck) row[channel] = lastRow[channel];
  lastRow = row;
  const cells = CHANNELS.map((name) => format(name, row[name]));
  fs.writeSync(csv, `${iso(second)},${KEY},${latestSecond.mode},${cells.join(',')}\n`);
}

const sleepUntil = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms - Date.now())));

async function runFaults(plan, startedAt) {
  for (const fault of plan) {
    await sleepUntil(startedAt + fault.start * 1000);
    try {
      const start = Date.now();
      const remove = await induce(fault, host);
      openFault = { ...fault, at: start, remove };
      log(`${fault.kind} ${JSON.stringify(fault.settings)} starts`);
      await sleepUntil(startedAt + fault.end * 1000);
      await endFault();
    } catch (error) {
      log(`${fault.kind}: ${error.stack}`);
    }
  }
}
let openFault;
async function endFault() {
  if (openFault === undefined) return;
  const { kind, channels, at, remove } = openFault;
  openFault = undefined;
  await remove();
  fs.writeSync(labels, `${iso(at)},${iso(Date.now())},${kind},${channels.join(';')}\n`);
  log(`${kind} ended`);
}

async function stop() {
  if (stopping) return;
  stopping = true;
  await endFault();
  fs.fsyncSync(csv);
  fs.fsyncSync(labels);
  log('recording ends');
  const ended = [service, load].map((child) => new Promise((resolve) => child.on('exit', resolve)));
  for (const child of [service, load]) child.disconnect();
  await Promise.race([Promise.all(ended), sleepUntil(Date.now() + 3000)]);
  fs.rmSync(scratch, { recursive: true, force: true });
  slice.remove();
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
process.on('uncaughtException', (error) => log(`uncaught: ${error.stack}`));
process.on('unhandledRejection', (error) => log(`unhandled: ${error?.stack ?? error}`));

await serviceReady;
keepRunning(
  'load',
  () =>
    slice.inLoad(process.execPath, {
      args: ['--max-semi-space-size=4', path.join(here, 'record/load.mjs'), slice.serviceAddress, String(PORT), String(seed + 2), String(timeScale)],
      stdio,
      env,
    }),
  (child) => {
    load = child;
    child.on('message', (message) => {
      if (message.type === 'second') latestSecond = message;
    });
  },
);

setInterval(() => {
  const decay = Math.exp(-ACTIVE_PROBE_MS / 1000 / LOAD_WINDOW_S);
  load1 = load1 * decay + slice.active() * (1 - decay);
}, ACTIVE_PROBE_MS);

/* Rows begin after the warm-up, on a whole second; then every second, each
 * timer set from the clock, so that lateness never adds up. */
const startedAt = (Math.ceil(Date.now() / 1000) + warmUp) * 1000;
log(`seed ${seed}, rows from ${iso(startedAt)} to ${iso(startedAt + duration * 1000)}`);
for (const { kind, start, end, settings } of plan) log(`plan: ${start}-${end} s ${kind} ${JSON.stringify(settings)}`);
runFaults(plan, startedAt);

for (let second = Math.ceil(Date.now() / 1000) * 1000; ; second += 1000) {
  await sleepUntil(second);
  if (Date.now() - second > 900) {
    log(`late by ${Date.now() - second} ms at ${iso(second)}, row left out`);
    continue;
  }
  try {
    const measured = measure();
    /* The parts' reports for this second arrive just after it. */
    for (let wait = 0; wait < 40 && !reported(second); wait += 1) await sleepUntil(Date.now() + 10);
    if (measured !== undefined && latestSecond !== undefined && second > startedAt) writeRow(second, measured);
  } catch (error) {
    log(`no row for ${iso(second)}: ${error.stack}`);
  }
  if (second >= startedAt + duration * 1000) await stop();
}
