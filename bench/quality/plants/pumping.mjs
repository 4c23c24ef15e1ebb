/**
 * A pumping station for waste water: a wet well, two pumps that take turns, a third one for storms. The level follows from inflow and
 * pumps; pumps start and stop on it. Inflow is that of people, and of rain, which comes with a lag.
 */
import { clamp, createLag, createWander, findRoot, interpolate } from './numbers.mjs';

const channels = [
  { name: 'well_level', decimals: 2 },
  { name: 'inflow', decimals: 1 },
  { name: 'outflow', decimals: 1 },
  { name: 'discharge_pressure', decimals: 3 },
  { name: 'pump1_current', decimals: 2 },
  { name: 'pump2_current', decimals: 2 },
  { name: 'pump3_current', decimals: 2 },
  { name: 'pump1_vibration', decimals: 2 },
  { name: 'pump2_vibration', decimals: 2 },
  { name: 'pump1_temp', decimals: 0 },
  { name: 'pump2_temp', decimals: 0 },
  { name: 'pump_starts', decimals: 0 },
  { name: 'rain', decimals: 1, quantum: 0.2 },
  { name: 'gas_ppm', decimals: 1, missing: 0.02 },
  { name: 'battery_voltage', decimals: 2, every: 15 },
];

/** In records of a minute. */
function faults(random) {
  return [
    { kind: 'pump is clogged', lasts: [200, 500], pump: random.whole(0, 1), left: random.uniform(0.7, 0.88) },
    { kind: 'check valve leaks back', lasts: [150, 500], by: random.uniform(6, 14) },
    { kind: 'level is stuck', lasts: [15, 60], recovers: 20 },
    { kind: 'level drifts', lasts: [200, 500], by: random.uniform(0.12, 0.25) },
    { kind: 'discharge pipe leaks', lasts: [150, 500], by: random.uniform(0.1, 0.22) },
    {
      kind: 'bearing runs hot',
      lasts: [200, 450],
      recovers: 60,
      pump: random.whole(0, 1),
      by: random.uniform(14, 25),
    },
    { kind: 'ground water flows in', lasts: [300, 600], by: random.uniform(7, 13) },
    { kind: 'current is noisy', lasts: [120, 500], sensor: 'pump2_current', how: 'noisy', size: 1.1 },
    { kind: 'pressure has spikes', lasts: [60, 300], sensor: 'discharge_pressure', how: 'spikes', size: 0.5 },
  ];
}

/** People's share of the mean inflow, by the hour. */
const daily = [
  [0, 0.65],
  [3, 0.35],
  [5, 0.4],
  [7.5, 1.6],
  [10, 1.25],
  [14, 1],
  [18, 1.2],
  [20.5, 1.45],
  [24, 0.65],
];

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const mood = createWander(random.split('mood'), 0.08, 90);
  const flush = createWander(random.split('flush'), 0.06, 2);
  const drops = createWander(random.split('drops'), 0.5, 6);
  const air = createWander(random.split('air'), 2, 400);
  const smell = createWander(random.split('smell'), 1.2, 60);
  const mean = constants.near(32);
  const area = constants.near(14);
  const pumps = [1, 1.03, 1.5].map((size) => ({
    shutoff: 24 * constants.near(1, 0.02),
    fall: constants.near(0.0029, 0.05) / size,
    current: constants.near(19 * size, 0.04),
    isOn: false,
    flow: 0,
    runs: 0,
    temp: createLag(45, 0),
  }));
  const storm = { from: constants.whole(500, 2500), minutes: 60, rate: 4 };
  const runoff = createLag(35, 0);
  const state = { level: 1.2, duty: 0, starts: constants.whole(10_000, 90_000), seen: 1.2, gas: 6 };
  /** Pumps are cleaned by running them backwards now and then. */
  let cleaning = constants.whole(700, 1400);

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    const rain = rainAt(i);
    const hour = (i / 60) % 24;
    const weekend = Math.floor(i / 1440) % 7 >= 5 ? hour - 1.2 : hour;
    const people = mean * interpolate(daily, (weekend + 24) % 24) * (1 + mood() + flush());
    const inflow = people + runoff(9 * rain) + (isFault('ground water flows in') ? fault.by : 0);
    const drift = isFault('level drifts') ? (fault.by * fault.at) / fault.length : 0;
    if (!isFault('level is stuck')) state.seen = state.level - drift + 0.006 * noise.normal();
    control(i);
    const head = pump(fault);
    const total = pumps.reduce((sum, one) => sum + one.flow, 0);
    const back = isFault('check valve leaks back') && !pumps[0].isOn ? fault.by : 0;
    // l/s, for a minute; the well spills above 3.4 m.
    state.level = clamp(state.level + ((inflow - total + back) * 0.06) / area, 0.2, 3.4);
    const read = (value, deviation) => value + deviation * noise.normal();
    const leaks = isFault('discharge pipe leaks') ? fault.by : 0;
    state.gas += 0.05 * (4 + 14 * Math.max(0, 1 - inflow / 60) - state.gas);
    return [
      state.seen,
      Math.max(0, read(inflow, 0.8)),
      // The meter is after the leak.
      Math.max(0, read((total - back) * (1 - leaks), total > 0 ? 0.5 : 0.05)),
      read(0.0981 * head, 0.012),
      ...pumps.map((one, p) => currentOf(one, p, fault) * (1 + 0.012 * noise.normal())),
      ...[0, 1].map((p) => vibrationOf(p, fault) * Math.max(0.2, 1 + 0.12 * noise.normal())),
      ...[0, 1].map((p) => read(tempOf(p, fault), 0.4)),
      state.starts,
      rain,
      Math.max(0, read(state.gas + smell(), 0.3)),
      read(27.3 + 0.01 * air(), 0.02),
    ];
  };

  function rainAt(i) {
    if (i >= storm.from + storm.minutes) {
      Object.assign(storm, {
        from: i + plan.whole(900, 5000),
        minutes: plan.whole(40, 500),
        rate: plan.uniform(0.8, 7),
      });
    }
    const gust = Math.max(0, 1 + drops());
    return i < storm.from ? 0 : storm.rate * gust;
  }

  /** The duty changes with each start; the second pump and the storm pump help. A switch above all starts everything. */
  function control(i) {
    const turn = (p, isOn) => {
      if (isOn && !pumps[p].isOn) {
        state.starts += 1;
        pumps[p].runs = 0;
      }
      pumps[p].isOn = isOn;
    };
    const other = 1 - state.duty;
    const { seen } = state;
    if (seen > 1.6) turn(state.duty, true);
    if (seen > 2 || state.level > 2.9) turn(other, true);
    if (seen > 2.3 || state.level > 3.1) turn(2, true);
    if (seen < 1.5) turn(2, false);
    if (seen < 1.05 && state.level < 2.6) {
      if (pumps[state.duty].isOn) state.duty = other;
      turn(0, false);
      turn(1, false);
    }
    if (state.level < 0.4) [0, 1, 2].forEach((p) => turn(p, false));
    if (i >= cleaning) {
      cleaning = i + 1440;
      turn(2, true);
    }
  }

  /** Flow of each pump against a common main. @returns the head in it, m */
  function pump(fault) {
    const weak = (p) => (fault?.kind === 'pump is clogged' && fault.pump === p ? fault.left : 1);
    const flowOf = (one, p, head) =>
      one.isOn
        ? weak(p) * Math.sqrt(Math.max(0, one.shutoff - head + 0.3 * (state.level - 1.3)) / one.fall)
        : 0;
    const total = (head) => pumps.reduce((sum, one, p) => sum + flowOf(one, p, head), 0);
    const leak = fault?.kind === 'discharge pipe leaks' ? fault.by : 0;
    const lift = 11 - 2.2 * leak;
    const resistance = 0.0011 * (1 - 0.8 * leak);
    const carried = (head) => Math.sqrt(Math.max(0, head - lift) / resistance);
    const head = findRoot((h) => total(h) - carried(h), lift - 1, 30);
    pumps.forEach((one, p) => {
      one.flow = flowOf(one, p, head);
      one.runs += one.isOn ? 1 : 0;
    });
    return total(head) > 0 ? head : lift;
  }

  function currentOf(one, p, fault) {
    if (!one.isOn) return 0;
    const clogged = fault?.kind === 'pump is clogged' && fault.pump === p ? 1 + 0.5 * (1 - fault.left) : 1;
    const rush = one.runs <= 1 ? 1.2 : 1;
    return one.current * (0.62 + 0.0065 * one.flow) * clogged * rush;
  }

  function vibrationOf(p, fault) {
    if (!pumps[p].isOn) return 0.15;
    const clogged = fault?.kind === 'pump is clogged' && fault.pump === p ? 3 * (1 - fault.left) : 0;
    const hot = fault?.kind === 'bearing runs hot' && fault.pump === p ? 0.6 : 0;
    return 1.9 + 0.2 * p + clogged + hot;
  }

  function tempOf(p, fault) {
    const hot = fault?.kind === 'bearing runs hot' && fault.pump === p ? fault.by : 0;
    return 16 + pumps[p].temp(pumps[p].isOn ? 34 + 2.5 * hot : 0);
  }
}

export const pumping = { interval: 60_000, history: 30_240, test: 10_080, channels, faults, start };
