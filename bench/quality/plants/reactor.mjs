/**
 * A stirred reactor that makes B from A, with heat: feed in, product out, a cooled jacket. Loops control the level and the
 * temperature; the feed changes slowly, and the product's grade every few days.
 */
import { clamp, createWander, exponential } from './numbers.mjs';

const substeps = 6;
/** Minutes. */
const dt = 0.5;

const channels = [
  { name: 'feed_flow', decimals: 2 },
  { name: 'feed_temp', decimals: 2 },
  { name: 'feed_concentration', decimals: 2, every: 20 },
  { name: 'level', decimals: 2 },
  { name: 'reactor_temp', decimals: 2 },
  { name: 'temp_setpoint', decimals: 1 },
  { name: 'jacket_in_temp', decimals: 2 },
  { name: 'jacket_out_temp', decimals: 2 },
  { name: 'coolant_flow', decimals: 2 },
  { name: 'coolant_valve', decimals: 1 },
  { name: 'outlet_flow', decimals: 2 },
  { name: 'outlet_valve', decimals: 1 },
  { name: 'concentration', decimals: 3 },
  { name: 'pressure', decimals: 3, missing: 0.01 },
  { name: 'stirrer_power', decimals: 2, quantum: 0.05 },
];

/** In records of 3 minutes. */
function faults(random) {
  return [
    { kind: 'coolant valve sticks', lasts: [100, 400], recovers: 10, band: random.uniform(2.5, 5) },
    { kind: 'jacket fouls', lasts: [300, 500], recovers: 10, lost: random.uniform(0.15, 0.3) },
    { kind: 'feed is richer', lasts: [150, 450], recovers: 20, by: random.uniform(0.08, 0.16) },
    {
      kind: 'temperature drifts',
      lasts: [250, 500],
      recovers: 20,
      by: random.pick([-1, 1]) * random.uniform(1.5, 3),
    },
    { kind: 'catalyst loses activity', lasts: [300, 500], recovers: 20, lost: random.uniform(0.15, 0.3) },
    { kind: 'level is stuck', lasts: [20, 60], recovers: 15 },
    { kind: 'temperature loop oscillates', lasts: [100, 250], recovers: 30 },
    { kind: 'analyser comes late', lasts: [100, 400], sensor: 'concentration', how: 'delay', size: 25 },
    { kind: 'stirrer is worn', lasts: [200, 500], lost: random.uniform(0.02, 0.05) },
  ];
}

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const richness = createWander(random.split('richness'), 0.03, 500);
  const feedWarmth = createWander(random.split('feed warmth'), 1.5, 400);
  const flowNoise = createWander(random.split('flow'), 0.012, 10);
  const coolantWarmth = createWander(random.split('coolant warmth'), 1.2, 700);
  const cooling = createWander(random.split('cooling'), 0.01, 15);
  const analyser = createWander(random.split('analyser'), 0.008, 30);
  const grades = [
    { temp: 78, flow: 10 },
    { temp: 81, flow: 11.5 },
    { temp: 76, flow: 9 },
  ];
  const size = {
    transfer: constants.near(0.52),
    rate: constants.near(0.085, 0.05),
    feed: constants.near(4, 0.04),
  };
  const run = { grade: grades[0], temp: 78, flow: 10, next: constants.whole(300, 900) };
  const state = { level: 60, temp: 78, a: 0.67, jacket: 60, shown: 0.67 };
  const loops = { temp: 40, level: 50, coolantValve: 40, outletValve: 50, seenLevel: 60 };
  const last = {};

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    const grow = (by) => (by * fault.at) / fault.length;
    schedule(i);
    const feed = size.feed * (1 + richness()) * (isFault('feed is richer') ? 1 + fault.by : 1);
    const feedTemp = 24 + feedWarmth();
    const coolantTemp = 19 + coolantWarmth();
    const flow = run.flow * (1 + flowNoise());
    const error = isFault('temperature drifts') ? grow(fault.by) : 0;
    const stirring = isFault('stirrer is worn') ? 1 - fault.lost : 1;
    const transfer =
      size.transfer * (isFault('jacket fouls') ? 1 - grow(fault.lost) : 1) * (0.5 + 0.5 * stirring);
    const rate =
      size.rate * (isFault('catalyst loses activity') ? 1 - grow(fault.lost) : 1) * (0.8 + 0.2 * stirring);
    const coolantLoss = 1 + cooling();
    for (let k = 0; k < substeps; k += 1) {
      control(error, fault);
      last.coolant = 0.04 * loops.coolantValve * coolantLoss;
      last.outlet = 0.026 * loops.outletValve * Math.sqrt(Math.max(0, state.level));
      react(flow, feed, feedTemp, coolantTemp, rate, transfer);
    }
    // The analyser samples with a lag.
    state.shown += 0.5 * (state.a - state.shown);
    const read = (value, deviation) => value + deviation * noise.normal();
    return [
      read(flow, 0.03),
      read(feedTemp, 0.08),
      read(feed, 0.03),
      loops.seenLevel + (isFault('level is stuck') ? 0 : 0.08 * noise.normal()),
      read(state.temp + error, 0.06),
      run.temp,
      read(coolantTemp, 0.08),
      read(state.jacket, 0.08),
      Math.max(0, read(last.coolant, 0.02)),
      loops.coolantValve,
      read(last.outlet, 0.05),
      loops.outletValve,
      Math.max(0, state.shown * (1 + analyser()) + 0.004 * noise.normal()),
      read(1.1 + 0.012 * (state.temp - 78) + 0.004 * (state.level - 60), 0.006),
      read((2.6 + 0.03 * state.level) * stirring * stirring - 0.008 * (state.temp - 78), 0.05),
    ];
  };

  /** Setpoints move to the next grade in small steps. */
  function schedule(i) {
    if (i >= run.next) {
      run.grade = plan.pick(grades.filter((grade) => grade !== run.grade));
      run.next = i + plan.whole(500, 1500);
    }
    run.temp += clamp(run.grade.temp - run.temp, -0.1, 0.1);
    run.flow += clamp(run.grade.flow - run.flow, -0.05, 0.05);
  }

  /** PI of the temperature on the coolant valve, P of the level on the outlet. */
  function control(error, fault) {
    const hot = state.temp + error - run.temp;
    const [gain, integral] = fault?.kind === 'temperature loop oscillates' ? [1.4, 0.37] : [2.4, 0.24];
    loops.temp = clamp(loops.temp + integral * dt * hot, 0, 100);
    const command = clamp(loops.temp + gain * hot, 0, 100);
    const band = fault?.kind === 'coolant valve sticks' ? fault.band : 0;
    if (Math.abs(command - loops.coolantValve) > band) loops.coolantValve = command;
    if (fault?.kind !== 'level is stuck') loops.seenLevel = state.level;
    const high = loops.seenLevel - 60;
    loops.level = clamp(loops.level + 0.06 * dt * high, 0, 100);
    loops.outletValve = clamp(loops.level + 1.6 * high, 0, 100);
  }

  /** Half a minute. Volume in % of the vessel, 10 l each. */
  function react(flow, feed, feedTemp, coolantTemp, rate, transfer) {
    const volume = Math.max(5, state.level);
    const turnover = (flow * dt) / volume / 10;
    const speed = rate * exponential(0.035 * (state.temp - 78)) * state.a;
    state.a = Math.max(0, state.a + turnover * (feed - state.a) - speed * dt);
    const exchanged = transfer * (state.temp - state.jacket);
    state.temp += turnover * (feedTemp - state.temp) + dt * (45 * speed - exchanged / 6);
    state.jacket += dt * ((last.coolant * (coolantTemp - state.jacket)) / 20 + exchanged / 3);
    state.level = clamp(state.level + ((flow - last.outlet) * dt) / 10, 0, 100);
  }
}

export const reactor = { interval: 180_000, history: 20_160, test: 8_640, channels, faults, start };
