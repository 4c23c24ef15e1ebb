/**
 * A web service: traffic with the day and the week, instances that an autoscaler starts and stops, a cache before a database.
 * Latency follows from how busy instances, their workers and the database are; queues from what is too slow. A deployment starts the
 * instances again and changes what a request costs a little.
 */
import { clamp, createWander, exponential, interpolate } from './numbers.mjs';

const channels = [
  { name: 'requests', decimals: 1 },
  { name: 'requests_total', decimals: 0 },
  { name: 'errors', decimals: 3 },
  { name: 'latency_p50', decimals: 1 },
  { name: 'latency_p95', decimals: 1 },
  { name: 'latency_p99', decimals: 1, missing: 0.004 },
  { name: 'cpu', decimals: 3 },
  { name: 'memory_mb', decimals: 0 },
  { name: 'gc_ms', decimals: 1 },
  { name: 'queue', decimals: 1 },
  { name: 'busy_workers', decimals: 1 },
  { name: 'instances', decimals: 0 },
  { name: 'cache_hits', decimals: 4 },
  { name: 'db_queries', decimals: 1 },
  { name: 'db_latency', decimals: 2 },
  { name: 'db_connections', decimals: 0 },
  { name: 'bytes_in', decimals: 0 },
  { name: 'bytes_out', decimals: 0 },
  { name: 'disk_used', decimals: 1, quantum: 0.1 },
];

/** In records of 2 minutes. */
function faults(random) {
  return [
    { kind: 'memory leaks', lasts: [300, 650], by: random.uniform(1.2, 2.5) },
    { kind: 'database is slow', lasts: [20, 150], factor: random.uniform(1.6, 2.6) },
    { kind: 'cache loses its entries', lasts: [60, 240], left: random.uniform(0.82, 0.93) },
    { kind: 'clients try again and again', lasts: [15, 90], by: random.uniform(0.25, 0.5) },
    { kind: 'an instance fails', lasts: [30, 240], share: random.uniform(0.003, 0.01) },
    { kind: 'an instance is lost and not replaced', lasts: [150, 300], recovers: 10 },
    { kind: 'traffic is lost', lasts: [20, 120], left: random.uniform(0.5, 0.7) },
    {
      kind: 'slowest requests have spikes',
      lasts: [60, 200],
      sensor: 'latency_p99',
      how: 'spikes',
      size: 260,
    },
    { kind: 'requests cost more', lasts: [200, 500], factor: random.uniform(1.12, 1.25) },
  ];
}

/** Of requests, as a share of the peak, by the hour. */
const daily = [
  [0, 0.32],
  [3, 0.16],
  [5, 0.18],
  [7, 0.45],
  [9, 0.82],
  [11, 0.95],
  [13, 0.88],
  [15, 0.97],
  [18, 0.9],
  [20, 1],
  [22, 0.65],
  [24, 0.32],
];

const recordsPerDay = 720;

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const mood = createWander(random.split('mood'), 0.05, 240);
  const burst = createWander(random.split('burst'), 0.035, 4);
  const mix = createWander(random.split('mix'), 0.03, 150);
  const warmth = createWander(random.split('warmth'), 0.012, 80);
  const database = createWander(random.split('database'), 0.06, 30);
  const peak = constants.near(900);
  const base = { cost: constants.near(0.0048), query: constants.near(4.5), size: constants.near(24_000) };
  const state = {
    instances: 4,
    wait: 0,
    memory: 900,
    hits: 0.9,
    queue: 0,
    total: 0,
    disk: 41,
    leaked: 0,
  };
  state.total = constants.whole(1e8, 9e8);
  let release = { cost: 1, query: 1, memory: 1 };
  let nextDeploy = 1 + constants.uniform(0, 1);

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    deploy(i / recordsPerDay);
    const offered = trafficAt(i) * (isFault('traffic is lost') ? fault.left : 1);
    const requests = offered * (isFault('clients try again and again') ? 1 + fault.by : 1);
    const wanted = 0.9 * (isFault('cache loses its entries') ? fault.left : 1) + warmth();
    state.hits += 0.15 * (wanted - state.hits);

    // The database: more queries and connections make it slower.
    const queries = requests * 1.8 * (1 - state.hits) + requests * 0.22;
    const load = clamp(queries / (peak * 1.1), 0, 0.95);
    const dbLatency =
      (base.query * release.query * (1 + database()) * (isFault('database is slow') ? fault.factor : 1)) /
      (1 - 0.8 * load);

    // Instances of two cores and 32 workers.
    const dear = isFault('requests cost more') ? fault.factor : 1;
    const collected = 1 + 0.25 * Math.max(0, state.memory / 1500 - 0.8);
    const cost = base.cost * release.cost * dear * collected * (1 + mix());
    const cpu = Math.min(0.985, 0.03 + (requests * cost) / (2 * state.instances));
    const own = (14 * release.cost * dear * (1 + 0.9 * cpu * cpu * cpu)) / (1 - 0.75 * cpu * cpu);
    const p50 = own + 0.6 * dbLatency;
    const busy = (requests * (own + 1.9 * dbLatency)) / 1000;
    const workers = 32 * state.instances;
    const full = Math.max(0, cpu - 0.75) * 60 + Math.max(0, busy / workers - 0.5) * 60;
    state.queue += 0.5 * (full + 0.02 * busy * cpu - state.queue);
    if (isFault('an instance is lost and not replaced') && fault.at === 0) state.instances -= 1;
    scale(cpu, isFault('an instance is lost and not replaced'));
    accumulate(requests, isFault('memory leaks') ? fault.by : 0);

    const read = (value, spread) => Math.max(0, value * (1 + spread * noise.normal()));
    const heavy = exponential(0.09 * noise.normal());
    const heavier = exponential(0.15 * noise.normal());
    const tail = isFault('an instance fails') ? 1.35 : 1;
    const errorShare =
      0.0012 +
      0.00002 * state.queue +
      (isFault('an instance fails') ? fault.share : 0) +
      (isFault('clients try again and again') ? 0.03 * fault.by : 0);
    const counted = read(requests, 0.01);
    state.total += counted * 120;
    return [
      counted,
      state.total,
      countErrors(counted * errorShare * 120) / 120,
      read(p50 + 0.3 * state.queue, 0.015),
      read((2.1 * own + 2.4 * dbLatency + 2 * state.queue) * tail * heavy, 0.02),
      read((3.6 * own + 6 * dbLatency + 5 * state.queue) * tail * tail * heavier, 0.02),
      read(cpu, 0.012),
      read(state.memory, 0.006),
      read(4 + 0.012 * state.memory * cpu * collected, 0.12),
      read(state.queue, 0.2),
      read(busy, 0.03),
      state.instances,
      clamp(state.hits + 0.002 * noise.normal(), 0, 1),
      read(queries, 0.012),
      read(dbLatency, 0.025),
      Math.round(read(4 * state.instances + (queries * dbLatency) / 1000, 0.04)),
      read(counted * 1400, 0.02),
      read(counted * base.size * (1 - 0.6 * errorShare), 0.025),
      state.disk,
    ];
  };

  function trafficAt(i) {
    const hour = ((i / recordsPerDay) * 24) % 24;
    const weekend = Math.floor(i / recordsPerDay) % 7 >= 5 ? 0.72 : 1;
    return peak * weekend * interpolate(daily, hour) * Math.max(0.2, 1 + mood() + burst());
  }

  /** Every few days, in the working hours. */
  function deploy(day) {
    const hour = (day % 1) * 24;
    const isAtWork = Math.floor(day) % 7 < 5 && hour > 9.5 && hour < 16;
    if (day < nextDeploy || !isAtWork) return;
    nextDeploy = day + plan.uniform(1, 3.5);
    release = { cost: plan.near(1, 0.05), query: plan.near(1, 0.05), memory: plan.near(1, 0.06) };
    state.memory = 700;
    state.hits -= 0.05;
  }

  function scale(cpu, isStuck) {
    state.wait -= 1;
    if (isStuck || state.wait > 0) return;
    const before = state.instances;
    if (cpu > 0.66) state.instances = Math.min(10, before + 1);
    else if (cpu < 0.38) state.instances = Math.max(2, before - 1);
    if (state.instances !== before) state.wait = 6;
  }

  /** Memory grows to a level after a start; logs fill the disk until they are removed. */
  function accumulate(requests, leak) {
    const level = release.memory * (950 + (180 * requests) / peak);
    state.memory += 0.02 * (level - state.memory);
    // The instances start again when the leak is closed.
    if (leak === 0 && state.leaked > 0) state.memory = 750;
    state.leaked = leak === 0 ? 0 : state.leaked + leak;
    state.memory += 0.02 * state.leaked;
    state.disk += requests / peak / 90;
    if (state.disk > 58) state.disk = 40;
  }

  /** A whole number with the deviation of a Poisson distribution. */
  function countErrors(mean) {
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * noise.normal()));
  }
}

export const service = { interval: 120_000, history: 20_160, test: 10_080, channels, faults, start };
