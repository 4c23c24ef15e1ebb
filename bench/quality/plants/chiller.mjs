/**
 * A plant that cools a building: four compressors in stages, a cooling tower, coils with a valve. The building warms by the
 * weather, the sun and the people in it; each body of water and the building follow with a lag.
 */
import { clamp, createLag, createWander, interpolate, sine } from './numbers.mjs';

const substeps = 5;
/** kW per K for 1 kg/s of water. */
const heatCapacity = 4.19;

const channels = [
  { name: 'outdoor_temp', decimals: 1 },
  { name: 'outdoor_humidity', decimals: 0 },
  { name: 'building_temp', decimals: 1, quantum: 0.2 },
  { name: 'supply_temp', decimals: 2 },
  { name: 'return_temp', decimals: 2 },
  { name: 'water_flow', decimals: 2 },
  { name: 'coil_valve', decimals: 1, quantum: 0.5 },
  { name: 'condenser_in_temp', decimals: 2 },
  { name: 'condenser_out_temp', decimals: 2 },
  { name: 'tower_fan', decimals: 0 },
  { name: 'stages', decimals: 0 },
  { name: 'compressor1_power', decimals: 1 },
  { name: 'compressor2_power', decimals: 1, missing: 0.01 },
  { name: 'compressor3_power', decimals: 1 },
  { name: 'compressor4_power', decimals: 1 },
  { name: 'evaporator_pressure', decimals: 3 },
  { name: 'condenser_pressure', decimals: 3 },
  { name: 'pump_power', decimals: 2 },
  { name: 'energy_kwh', decimals: 0 },
];

/** In records of 5 minutes. */
function faults(random) {
  return [
    { kind: 'condenser fouls', lasts: [400, 600], lost: random.uniform(0.3, 0.45) },
    { kind: 'refrigerant leaks', lasts: [350, 600], recovers: 12, lost: random.uniform(0.35, 0.5) },
    { kind: 'supply temperature reads high', lasts: [72, 288], recovers: 12, by: random.uniform(0.7, 1.2) },
    { kind: 'coil valve sticks', lasts: [72, 240], recovers: 12 },
    { kind: 'tower fan does not turn', lasts: [24, 96], recovers: 12 },
    { kind: 'compressors switch too often', lasts: [96, 288] },
    { kind: 'outdoor temperature is stuck', lasts: [96, 288], sensor: 'outdoor_temp', how: 'stuck' },
    {
      kind: 'return temperature is noisy',
      lasts: [72, 288],
      sensor: 'return_temp',
      how: 'noisy',
      size: 0.35,
    },
    { kind: 'flow has spikes', lasts: [36, 96], sensor: 'water_flow', how: 'spikes', size: -9 },
  ];
}

/** People in the building, as a share, by the hour of a workday. */
const presence = [
  [6, 0],
  [8.5, 0.8],
  [11.5, 1],
  [12.5, 0.7],
  [13.5, 0.95],
  [16.5, 0.85],
  [19, 0.1],
  [21, 0],
];

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const front = createWander(random.split('front'), 2.2, 1.5 * 288);
  const gust = createWander(random.split('gust'), 0.5, 12);
  const damp = createWander(random.split('damp'), 9, 2 * 288);
  const clouds = createWander(random.split('clouds'), 0.3, 20);
  const crowd = createWander(random.split('crowd'), 0.12, 300);
  const drag = createWander(random.split('drag'), 0.012, 200);
  const envelope = constants.near(24);
  const people = constants.near(400);
  const sun = constants.near(200);
  const capacity = constants.near(210, 0.05);
  const flow = constants.near(46, 0.05);
  const wanted = { supply: constants.uniform(6.5, 7.5), building: constants.uniform(22.5, 23.5) };

  const state = {
    building: 24,
    supply: 7,
    return: 12,
    condenser: 26,
    valve: 0.3,
    fan: 0.5,
    stages: 1,
    wait: 0,
  };
  const powers = [0, 0, 0, 0];
  const coilLag = createLag(4, 50);
  let energy = constants.whole(100_000, 900_000);
  let heat = 0;
  let condenserOut = 28;
  let evaporatorTemp = 3;
  let condensingTemp = 30;

  return (i, fault) => {
    const weather = weatherAt(i);
    const occupancy = occupancyAt(i);
    for (let k = 0; k < substeps; k += 1) advance(weather, occupancy, fault);
    const pump = 0.28 * flow * (1 + 0.12 * state.valve);
    energy += (powers.reduce((sum, power) => sum + power, 0) + pump + 14 * state.fan) / 12;
    const read = (value, deviation) => value + deviation * noise.normal();
    const supplyError = fault?.kind === 'supply temperature reads high' ? fault.by : 0;
    return [
      read(weather.temp, 0.1),
      clamp(read(weather.humidity, 0.6), 5, 100),
      read(state.building, 0.05),
      read(state.supply + supplyError, 0.03),
      read(state.return, 0.03),
      read(flow * (0.92 + 0.1 * state.valve + drag()), 0.12),
      100 * state.valve,
      read(state.condenser, 0.05),
      read(condenserOut, 0.05),
      100 * state.fan,
      state.stages,
      ...powers.map((power) => power * read(1, 0.008)),
      read(pressureAt(evaporatorTemp), 0.004),
      read(pressureAt(condensingTemp), 0.01),
      read(pump, 0.06),
      energy,
    ];
  };

  function weatherAt(i) {
    const hour = (i / 12) % 24;
    const temp = 24 + front() + gust() + 5.5 * sine((hour - 9) / 24);
    const humidity = clamp(62 + damp() - 2.2 * (temp - 24), 15, 99);
    const light = Math.max(0, sine((hour - 6) / 24)) * clamp(0.75 + clouds(), 0.1, 1);
    return { temp, humidity, light, wetBulb: temp - (100 - humidity) * (0.11 + 0.002 * temp) };
  }

  function occupancyAt(i) {
    const share = interpolate(presence, (i / 12) % 24) * (1 + crowd());
    const isWeekend = Math.floor(i / 288) % 7 >= 5;
    return Math.max(0, isWeekend ? 0.12 * share : share);
  }

  /** A minute. */
  function advance(weather, occupancy, fault) {
    const isOpen = occupancy > 0.02;
    const target = wanted.building + (isOpen ? 0 : 2);
    if (fault?.kind !== 'coil valve sticks') {
      const command = clamp(0.35 + 0.45 * (state.building - target), 0.02, 1);
      state.valve += clamp(command - state.valve, -0.04, 0.04);
    }
    const gain = envelope * (weather.temp - state.building) + sun * weather.light + people * occupancy + 130;
    const coil = coilLag(state.valve * 62 * Math.max(0, state.building - state.supply - 2));
    // Heating keeps it from getting cold.
    const heating = Math.max(0, 250 * (20.5 - state.building));
    state.building += (gain + heating - coil) / 2200;
    state.return += (state.supply + coil / (flow * heatCapacity) - state.return) / 3;

    control(fault);
    const leak =
      fault?.kind === 'refrigerant leaks' ? fault.lost * Math.min(1, (1.5 * fault.at) / fault.length) : 0;
    const fouling = fault?.kind === 'condenser fouls' ? (fault.lost * fault.at) / fault.length : 0;
    const derate = 1 - 0.008 * (state.condenser - 26);
    heat = 0;
    powers.forEach((_, c) => {
      const runs = c < state.stages;
      const cooling = runs ? capacity * derate * (1 - (c === 0 ? leak : 0)) : 0;
      const lift = condensingTemp - evaporatorTemp + (c === 0 ? 6 * leak : 0);
      powers[c] +=
        0.5 *
        ((runs ? (capacity * derate * (1 - 0.4 * (c === 0 ? leak : 0))) / (8.6 - 0.115 * lift) : 0) -
          powers[c]);
      heat += cooling;
    });
    const chilled = state.return - state.supply;
    state.supply += (flow * heatCapacity * chilled - heat) / 2600;
    state.supply = Math.max(state.supply, 3);
    const rejected = heat + powers.reduce((sum, power) => sum + power, 0);
    evaporatorTemp += 0.3 * (state.supply - 1.5 - heat / 320 - 5 * leak - evaporatorTemp);
    condenserOut = state.condenser + rejected / (68 * heatCapacity);
    condensingTemp += 0.3 * (condenserOut + 1 + rejected / 80 / (1 - fouling) - condensingTemp);

    const air = fault?.kind === 'tower fan does not turn' ? 0.12 : 0.12 + state.fan;
    state.fan = clamp(state.fan + 0.03 * (state.condenser - 25), 0, 1);
    const removed = 95 * air * Math.max(0, condenserOut - weather.wetBulb);
    state.condenser += clamp((rejected - removed) / 3000, -1, 1);
  }

  /** Stages follow the supply temperature, with a band and a wait after each change. */
  function control(fault) {
    const isNervous = fault?.kind === 'compressors switch too often';
    const seen = state.supply + (fault?.kind === 'supply temperature reads high' ? fault.by : 0);
    const band = isNervous ? 0.2 : 1;
    state.wait -= 1;
    if (state.wait > 0) return;
    const before = state.stages;
    if (seen > wanted.supply + band) state.stages = Math.min(4, state.stages + 1);
    else if (seen < wanted.supply - band) state.stages = Math.max(0, state.stages - 1);
    if (state.stages !== before) state.wait = isNervous ? 2 : 9;
  }
}

/** Of the refrigerant at saturation, bar. */
function pressureAt(temp) {
  return 2.93 + 0.106 * temp + 0.00145 * temp * temp + 0.0000085 * temp * temp * temp;
}

export const chiller = { interval: 300_000, history: 20_160, test: 9_000, channels, faults, start };
