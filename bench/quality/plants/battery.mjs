/**
 * A battery that stores solar power for the evening: eight cells in series, each with its own capacity, resistance and charge. The
 * voltage of a cell is that of its charge, less what the current loses; cells age, and the balancer makes them equal when full.
 */
import { clamp, createWander, interpolate, sine } from './numbers.mjs';

const cellCount = 8;
const cells = Array.from({ length: cellCount }, (_, c) => c);

const channels = [
  { name: 'current', decimals: 1 },
  { name: 'pack_voltage', decimals: 3 },
  ...cells.map((c) => ({ name: `cell${c + 1}_voltage`, decimals: 3, quantum: c === 3 ? 0.005 : 0.002 })),
  ...[1, 2, 3, 4].map((sensor) => ({ name: `temp${sensor}`, decimals: 1, quantum: 0.1 })),
  { name: 'charge_percent', decimals: 1, quantum: 0.5 },
  { name: 'inverter_power', decimals: 2 },
  { name: 'inverter_temp', decimals: 1, missing: 0.008 },
  { name: 'fan_speed', decimals: 0, quantum: 20 },
  { name: 'ambient_temp', decimals: 1 },
  { name: 'insulation_kohm', decimals: 0, every: 30 },
];

/** After it has discharged itself, a cell is charged by the service, which takes this long. */
const serviceRecords = 300;

/** In records of a minute. */
function faults(random) {
  const cell = () => random.whole(0, cellCount - 1);
  return [
    { kind: 'resistance of a cell rises', lasts: [300, 600], cell: cell(), by: random.uniform(0.5, 1.1) },
    {
      kind: 'cell discharges itself',
      lasts: [400, 600],
      recovers: serviceRecords,
      cell: cell(),
      by: random.uniform(4, 9),
    },
    { kind: 'terminal is loose', lasts: [150, 450], cell: cell(), by: random.uniform(0.6, 1.3) },
    { kind: 'fan does not turn', lasts: [120, 400], recovers: 60 },
    { kind: 'temperature is stuck', lasts: [120, 500], sensor: 'temp2', how: 'stuck' },
    {
      kind: 'current reads too much',
      lasts: [100, 450],
      sensor: 'current',
      how: 'shift',
      size: random.uniform(2, 4),
    },
    {
      kind: 'voltage of a cell is noisy',
      lasts: [120, 400],
      sensor: `cell${cell() + 1}_voltage`,
      how: 'noisy',
      size: 0.012,
    },
    { kind: 'pack voltage comes late', lasts: [100, 450], sensor: 'pack_voltage', how: 'delay', size: 12 },
    { kind: 'inverter loses power', lasts: [200, 500], by: random.uniform(0.06, 0.12) },
  ];
}

/** Open-circuit voltage by charge. */
const openCircuit = [
  [0, 2.9],
  [0.05, 3.12],
  [0.15, 3.21],
  [0.4, 3.28],
  [0.7, 3.32],
  [0.9, 3.345],
  [0.97, 3.38],
  [1, 3.48],
];

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const cloudiness = createWander(random.split('cloudiness'), 0.2, 700);
  const cloud = createWander(random.split('cloud'), 0.22, 8);
  const use = createWander(random.split('use'), 0.16, 25);
  const kettle = createWander(random.split('kettle'), 0.1, 2);
  const weather = createWander(random.split('weather'), 2, 2500);
  const jitter = createWander(random.split('jitter'), 1, 1);
  const capacity = constants.near(280, 0.03);
  const pack = cells.map(() => ({
    capacity: capacity * constants.near(1, 0.012),
    resistance: constants.near(0.00055, 0.08),
    charge: constants.uniform(0.45, 0.47),
    lag: 0,
    service: 0,
  }));
  const temps = { cells: [22, 23, 23, 22], inverter: 26 };
  const state = { estimate: 0.46, mode: 'rest' };

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    const age = 1 + (0.06 * i) / 40_000;
    const hour = (i / 60) % 24;
    const ambient = 17 + weather() + 3.5 * sine((hour - 9.5) / 24);
    const wanted = wantedPower(i, hour);
    const current = limitCurrent(wanted * 38);
    for (const [c, cell] of pack.entries()) {
      const own = isFault('cell discharges itself') && fault.cell === c ? fault.by : 0;
      cell.charge = clamp(cell.charge + (current - own) / 60 / cell.capacity, 0, 1);
      if (own > 0) cell.service = serviceRecords;
      else if (cell.service > 0) {
        cell.service--;
        cell.charge += 0.03 * (meanCharge() - cell.charge);
      }
      // Diffusion follows the current with a lag.
      cell.lag += 0.08 * (current - cell.lag);
    }
    balance();
    state.estimate += current / 60 / capacity;
    const mean = meanCharge();
    state.estimate = clamp(state.estimate + 0.01 * (mean - state.estimate), 0, 1);

    const shake = 1 + 0.5 * jitter();
    const voltages = pack.map((cell, c) => {
      const grown =
        isFault('resistance of a cell rises') && fault.cell === c
          ? 1 + (fault.by * fault.at) / fault.length
          : 1;
      const loose =
        isFault('terminal is loose') && fault.cell === c ? fault.by * 0.0005 * Math.max(0, shake) : 0;
      const cold = 1 + 0.012 * (25 - temps.cells[c >> 1]);
      const lost = cell.resistance * age * grown * cold;
      return interpolate(openCircuit, cell.charge) + current * (0.6 * lost + loose) + cell.lag * 0.4 * lost;
    });
    const voltage = voltages.reduce((sum, one) => sum + one, 0);
    const fan = isFault('fan does not turn') ? 0 : fanSpeed();
    heat(current, ambient, fan, age, fault);
    const efficiency = 0.965 - (isFault('inverter loses power') ? fault.by : 0);
    const direct = (voltage * current) / 1000;
    const read = (value, deviation) => value + deviation * noise.normal();
    return [
      read(current, 0.25),
      read(voltage, 0.004),
      ...voltages.map((one) => read(one, 0.0012)),
      ...temps.cells.map((one) => read(one, 0.06)),
      100 * state.estimate,
      read(direct > 0 ? direct / efficiency : direct * efficiency, 0.015),
      read(temps.inverter, 0.15),
      Math.max(0, fan > 0 ? read(fan, 15) : 0),
      read(ambient, 0.1),
      read(2200 - 18 * (ambient - 17), 25),
    ];
  };

  /** Positive when sun is left over, kW per 8 cells. */
  function wantedPower(i, hour) {
    const clear = Math.max(0, sine((hour - 6.5) / 24));
    const sky = clamp(0.72 + cloudiness() + cloud(), 0.08, 1);
    const home = interpolate(
      [
        [0, 0.35],
        [5, 0.3],
        [7, 0.9],
        [9, 0.5],
        [16, 0.55],
        [19, 1.5],
        [22, 1],
        [24, 0.35],
      ],
      hour,
    );
    const isWeekend = Math.floor(i / 1440) % 7 >= 5;
    const consumption = Math.max(
      0.1,
      home * (1 + use() + kettle()) + (isWeekend && hour > 9 && hour < 17 ? 0.35 : 0),
    );
    return 3.4 * clear * sky - consumption;
  }

  /** A, within what the charge allows: slowly when nearly full, not at all when nearly empty. */
  function limitCurrent(wanted) {
    const highest = Math.max(...pack.map(({ charge }) => charge));
    const lowest = Math.min(...pack.map(({ charge }) => charge));
    if (lowest < 0.1) state.mode = 'empty';
    else if (lowest > 0.16) state.mode = 'ready';
    const most = 110 * clamp((0.985 - highest) / 0.06, 0, 1);
    return clamp(wanted, state.mode === 'empty' ? 0 : -95, most);
  }

  function meanCharge() {
    return pack.reduce((sum, { charge }) => sum + charge, 0) / cellCount;
  }

  /** Near the end of a charge, the balancer draws from the cells above the mean. */
  function balance() {
    const mean = meanCharge();
    if (mean < 0.9) return;
    for (const cell of pack) cell.charge -= 0.006 * Math.max(0, cell.charge - mean);
  }

  function fanSpeed() {
    const hottest = Math.max(...temps.cells, temps.inverter - 14);
    return hottest < 20 ? 300 : clamp(500 + 200 * (hottest - 20), 0, 2400);
  }

  function heat(current, ambient, fan, age, fault) {
    const cooling = 0.006 + 0.014 * (fan / 2400);
    temps.cells = temps.cells.map((temp, s) => {
      const loose = fault?.kind === 'terminal is loose' && fault.cell >> 1 === s ? fault.by * 0.0000035 : 0;
      const grown =
        fault?.kind === 'resistance of a cell rises' && fault.cell >> 1 === s ? fault.by * 0.4 : 0;
      const inner = s === 1 || s === 2 ? 0.8 : 1;
      const warming = (0.0000125 * age * (1 + grown) + loose) * current * current;
      return temp + warming - cooling * inner * (temp - ambient);
    });
    const lost = fault?.kind === 'inverter loses power' ? 1 + 6 * fault.by : 1;
    temps.inverter +=
      0.006 * Math.abs(current) * lost - (0.012 + 0.02 * (fan / 2400)) * (temps.inverter - ambient - 4);
  }
}

export const battery = { interval: 60_000, history: 28_800, test: 10_080, channels, faults, start };
