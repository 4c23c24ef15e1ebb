/**
 * A network that distributes water: a reservoir, seven tanks, six stations with eleven pumps, and a valve. A tank's level
 * follows from what flows in and out; pumps switch on levels, with hysteresis; their flow follows from the heads that they work
 * against. Faults are attacks on the control: readings, thresholds and commands that are not what they should be.
 *
 *   reservoir ─S1→ T1 ─valve→ T2,  T1 ─S2→ T3 ─S3→ T4,  T1 ─S4→ T5 ─S5→ T6,  T5 ─S6→ T7
 */
import { clamp, createWander, findRoot, interpolate, sine } from './numbers.mjs';

const substeps = 6;
const substepSeconds = 600;
const week = 7 * 24;

/** `bottom` and `wall`, m; `hours` of its supply between the levels where pumps switch; mean `demand`, l/s. */
const tanks = [
  { name: 't1', bottom: 62, wall: 6.5, hours: 7, demand: 40, supply: 160 },
  { name: 't2', bottom: 48, wall: 5, hours: 6, demand: 25, supply: 25 },
  { name: 't3', bottom: 88, wall: 5.5, hours: 6, demand: 22, supply: 40 },
  { name: 't4', bottom: 121, wall: 4.5, hours: 6, demand: 18, supply: 18 },
  { name: 't5', bottom: 95, wall: 6, hours: 7, demand: 20, supply: 55 },
  { name: 't6', bottom: 118, wall: 5, hours: 7, demand: 15, supply: 15 },
  { name: 't7', bottom: 127, wall: 5, hours: 7, demand: 20, supply: 20 },
];

/** From tank to tank (−1: the reservoir); capacity of each pump alone as a share of the mean supply. */
const stations = [
  { name: 's1', from: -1, to: 0, pumps: [0.85, 0.8, 0.7] },
  { name: 's2', from: 0, to: 2, pumps: [0.97, 0.9] },
  { name: 's3', from: 2, to: 3, pumps: [1, 0.9] },
  { name: 's4', from: 0, to: 4, pumps: [1.1, 0.9] },
  { name: 's5', from: 4, to: 5, pumps: [1.9] },
  { name: 's6', from: 4, to: 6, pumps: [1.8] },
];
const pumpNames = stations.flatMap(({ name, pumps }) => pumps.map((_, i) => `${name}_pump${i + 1}`));

/** Shares of the wall's height where the first, second and third pump of a station start and stop. */
const switchLevels = [
  { on: 0.5, off: 0.85 },
  { on: 0.35, off: 0.7 },
  { on: 0.25, off: 0.55 },
];

/** Demand of households over the day, as a share of the mean. */
const workday = [0.45, 0.4, 0.38, 0.4, 0.5, 0.8, 1.3, 1.6, 1.45, 1.25, 1.15, 1.1];
const evening = [1.15, 1.1, 1, 0.95, 1.05, 1.25, 1.45, 1.5, 1.35, 1.1, 0.85, 0.6];
const workdayHours = [...workday, ...evening].map((share, hour) => [hour, share]);
const weekendHours = workdayHours.map(([hour, share]) => {
  const later = workdayHours[(hour + 22) % 24][1];
  return [hour, hour >= 4 && hour < 14 ? 0.25 * share + 0.8 * later : share * 1.04];
});

const channels = [
  ...tanks.map(({ name }) => ({ name: `${name}_level`, decimals: 2 })),
  ...[...pumpNames, 'valve'].map((name) => ({ name: `${name}_flow`, decimals: 2 })),
  ...[...pumpNames, 'valve'].map((name) => ({ name: `${name}_on`, decimals: 0 })),
  ...stations.flatMap(({ name }) => [
    { name: `${name}_suction`, decimals: 2 },
    { name: `${name}_discharge`, decimals: 2 },
  ]),
];

/** In records, which are hours. `station` and `pump` are indices, `tank` too. */
function faults(random) {
  const tank = () => random.pick([2, 4, 5, 6]);
  return [
    { kind: 'level reads low', lasts: [24, 60], recovers: 6, tank: tank(), share: 0.2 },
    {
      kind: 'low level under a replay',
      lasts: [30, 70],
      recovers: 6,
      tank: 0,
      share: 0.15,
    },
    {
      kind: 'high level under a replay',
      lasts: [20, 40],
      recovers: 6,
      tank: tank(),
      share: 0.9,
    },
    { kind: 'level drifts', lasts: [60, 100], tank: random.pick([0, 2, 4]), drift: random.uniform(-1.6, -1) },
    { kind: 'pump kept off', lasts: [20, 60], recovers: 6, station: random.pick([1, 2, 3]), pump: 0 },
    { kind: 'pump kept on', lasts: [20, 60], recovers: 6, station: random.pick([1, 2, 3]), pump: 1 },
    { kind: 'threshold lowered', lasts: [50, 100], recovers: 6, station: random.pick([1, 3]), by: 0.25 },
    { kind: 'pressures are replayed', lasts: [40, 100], station: random.pick([1, 2, 3]) },
    { kind: 'valve shut', lasts: [20, 40], recovers: 10 },
  ];
}

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const attack = random.split('attack');
  const built = tanks.map((tank) => ({
    ...tank,
    area: constants.near((tank.supply * 3.6 * tank.hours) / (0.35 * tank.wall)),
    demand: constants.near(tank.demand, 0.05),
    level: tank.wall * constants.uniform(0.55, 0.7),
    shift: constants.uniform(-0.7, 0.7),
    mood: createWander(random.split(`mood ${tank.name}`), 0.05, 5 * substeps),
  }));
  const lines = stations.map((station) => buildStation(station, built, constants));
  const valve = { isOpen: true, flow: 0, capacity: constants.near(2.2 * tanks[1].supply) };
  const weather = createWander(random.split('weather'), 0.04, 60 * substeps);
  const past = [];

  return (i, fault) => {
    for (let k = 0; k < substeps; k += 1) advance(i + k / substeps, fault);
    const readings = read();
    const shown = fault === undefined ? readings : show(readings, i, fault);
    past[i % (week * 4)] = readings;
    return [...shown.levels, ...shown.flows, ...shown.states, ...shown.pressures];
  };

  /** A substep; `hour` since the beginning. */
  function advance(hour, fault) {
    const season = 1 + 0.12 * sine(hour / 24 / 366 - 0.3) + weather();
    const seen = built.map((tank, t) => seenLevel(tank.level + 0.01 * noise.normal(), t, fault));
    lines.forEach((line, s) => control(line, seen[line.to], fault?.station === s ? fault : undefined));
    const low = seen[1] < 0.5 * tanks[1].wall;
    if (low || seen[1] > 0.85 * tanks[1].wall) valve.isOpen = low;
    if (fault?.kind === 'valve shut') valve.isOpen = false;

    const net = built.map(() => 0);
    const demands = built.map((tank) => demandOf(tank, hour, season + tank.mood()));
    for (const line of lines) {
      const part = 0.6 * demands[line.to];
      hydraulics(line, part, headOf(line.from, hour), headOf(line.to));
      net[line.to] += line.flow - part;
      demands[line.to] -= part;
      if (line.from >= 0) net[line.from] -= line.flow;
    }
    const fall = headOf(0) - headOf(1);
    valve.flow = valve.isOpen ? valve.capacity * Math.sqrt(Math.max(0, fall) / 14) : 0;
    net[0] -= valve.flow;
    net[1] += valve.flow;
    built.forEach((tank, t) => {
      const change = ((net[t] - demands[t]) * substepSeconds) / 1000 / tank.area;
      // What is above the wall spills.
      tank.level = clamp(tank.level + change, 0, tank.wall);
    });
  }

  /** What the control reads of a level. */
  function seenLevel(level, t, fault) {
    if (fault?.tank !== t) return level;
    if (fault.kind === 'level drifts') return level + (fault.drift * fault.at) / fault.length;
    return fault.share * built[t].wall + 0.01 * attack.normal();
  }

  /** m above the reservoir. */
  function headOf(tank, hour) {
    if (tank < 0) return 2 + 0.5 * sine(hour / 24 / 366);
    return built[tank].bottom - 40 + built[tank].level;
  }

  /** A tank that is nearly empty supplies less. */
  function demandOf(tank, hour, level) {
    const day = Math.floor(hour / 24) % 7;
    const clock = (((hour + tank.shift) % 24) + 24) % 24;
    const share = interpolate(day >= 5 ? weekendHours : workdayHours, clock);
    return tank.demand * share * level * Math.min(1, tank.level / 0.2);
  }

  function read() {
    const flow = (value) => value * (1 + 0.006 * noise.normal());
    const pumps = lines.flatMap((line) => line.pumps);
    return {
      levels: built.map(({ level }) => level + 0.01 * noise.normal()),
      flows: [...pumps.map((pump) => flow(pump.flow)), flow(valve.flow)],
      states: [...pumps.map(({ isOn }) => (isOn ? 1 : 0)), valve.isOpen ? 1 : 0],
      pressures: lines.flatMap((line) => [
        line.suction + 0.04 * noise.normal(),
        line.discharge + 0.1 * noise.normal(),
      ]),
    };
  }

  /** What is recorded instead of the readings. */
  function show(readings, i, fault) {
    const { levels, pressures } = readings;
    // Weeks before, so that what is replayed is from before the fault.
    const old = past[(i - week) % (week * 4)];
    const replace = (list, from, chosen) => list.map((value, j) => (chosen(j) ? from(j) : value));
    if (fault.kind === 'pressures are replayed') {
      const replayed = (j) => Math.floor(j / 2) === fault.station;
      return { ...readings, pressures: replace(pressures, (j) => old.pressures[j], replayed) };
    }
    if (fault.tank === undefined) return readings;
    const spoofed = fault.kind.endsWith('replay')
      ? (t) => old.levels[t]
      : (t) => seenLevel(levels[t], t, fault);
    return { ...readings, levels: replace(levels, spoofed, (t) => t === fault.tank) };
  }
}

/** Pumps have the head h₀ − a Q² at flow Q; the line loses r Q². m and l/s. */
function buildStation(station, built, constants) {
  const lower = station.from < 0 ? 42 : built[station.from].bottom + 3.5;
  const lift = built[station.to].bottom + 3.5 - lower;
  const supply = built[station.to].supply;
  const design = lift * constants.near(1.3, 0.04);
  return {
    ...station,
    wall: built[station.to].wall,
    resistance: (design - lift) / (1.3 * supply) ** 2,
    inlet: 1.5 / supply ** 2,
    elevation: station.from < 0 ? -3 : built[station.from].bottom - 44,
    flow: 0,
    pumps: station.pumps.map((share, i) => {
      const flow = constants.near(share * supply, 0.04);
      const shutoff = design * constants.near(1.33, 0.03);
      return { shutoff, fall: (shutoff - design) / flow ** 2, isOn: i === 0, flow: 0 };
    }),
  };
}

/** Pumps of a station switch on the level of the tank that they fill. */
function control(line, level, fault) {
  line.pumps.forEach((pump, i) => {
    const by = fault?.kind === 'threshold lowered' ? fault.by : 0;
    const { on, off } = line.pumps.length === 1 ? switchLevels[1] : switchLevels[i];
    if (level < (on - by) * line.wall) pump.isOn = true;
    else if (level > (off - by) * line.wall) pump.isOn = false;
    if (fault?.pump === i) pump.isOn = fault.kind === 'pump kept on';
  });
}

/**
 * Flows and heads of a line: pumps push into a main that supplies `demand` and fills the tank; without pumps, the tank supplies
 * the demand through the main. What the suction loses is that of the flow a substep before.
 */
function hydraulics(line, demand, lower, upper) {
  const suction = lower - line.inlet * line.flow ** 2;
  const running = line.pumps.filter(({ isOn }) => isOn);
  const flowOf = (pump, head) => Math.sqrt(Math.max(0, pump.shutoff - (head - suction)) / pump.fall);
  const total = (head) => running.reduce((sum, pump) => sum + flowOf(pump, head), 0);
  const intoTank = (head) => Math.sign(head - upper) * Math.sqrt(Math.abs(head - upper) / line.resistance);
  const head = findRoot((h) => total(h) - demand - intoTank(h), upper - 60, upper + 120);
  for (const pump of line.pumps) pump.flow = pump.isOn ? flowOf(pump, head) : 0;
  line.flow = total(head);
  line.suction = suction - line.elevation;
  line.discharge = head - line.elevation;
}

export const water = { interval: 3_600_000, history: 8_760, test: 2_928, channels, faults, start };
