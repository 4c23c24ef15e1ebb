/**
 * A furnace that heats loads in batches: a recipe is a list of ramps and holds, after which the door opens. Three zones with a
 * heater each warm the walls, the gas and the load; each follows with its own lag.
 */
import { clamp, createLag, createWander } from './numbers.mjs';

const channels = [
  { name: 'setpoint', decimals: 1 },
  { name: 'zone1_temp', decimals: 1 },
  { name: 'zone2_temp', decimals: 1 },
  { name: 'zone3_temp', decimals: 1 },
  { name: 'load_temp', decimals: 0 },
  { name: 'heater1_power', decimals: 1 },
  { name: 'heater2_power', decimals: 1 },
  { name: 'heater3_power', decimals: 1 },
  { name: 'fan_current', decimals: 2 },
  { name: 'oxygen_percent', decimals: 2, quantum: 0.05 },
  { name: 'gas_flow', decimals: 2 },
  { name: 'pressure', decimals: 1 },
  { name: 'shell_temp', decimals: 0 },
  { name: 'water_out_temp', decimals: 1, missing: 0.008 },
  { name: 'water_flow', decimals: 1 },
  { name: 'door_open', decimals: 0 },
  { name: 'energy_kwh', decimals: 0 },
];

/** In records of a minute. */
function faults(random) {
  const zone = () => random.whole(0, 2);
  return [
    {
      kind: 'heater element is broken',
      lasts: [200, 500],
      recovers: 30,
      zone: zone(),
      left: random.uniform(0.45, 0.7),
    },
    {
      kind: 'thermocouple drifts',
      lasts: [350, 600],
      recovers: 30,
      zone: zone(),
      by: random.uniform(-22, -10),
    },
    { kind: 'insulation is damaged', lasts: [300, 600], recovers: 30, by: random.uniform(0.3, 0.6) },
    { kind: 'door seal leaks', lasts: [200, 500], by: random.uniform(0.5, 1.2) },
    { kind: 'heater stays on', lasts: [40, 120], recovers: 60, zone: zone() },
    { kind: 'fan is weak', lasts: [200, 500], left: random.uniform(0.5, 0.75) },
    { kind: 'water flow is low', lasts: [150, 500], recovers: 15, left: random.uniform(0.8, 0.92) },
    { kind: 'load temperature comes late', lasts: [200, 500], sensor: 'load_temp', how: 'delay', size: 18 },
    { kind: 'oxygen is noisy', lasts: [100, 400], sensor: 'oxygen_percent', how: 'noisy', size: 0.5 },
  ];
}

/** Steps: to `temp`, °C, at `rate`, K per minute, then hold, minutes. */
const recipes = [
  [
    { temp: 450, rate: 8, hold: 30 },
    { temp: 860, rate: 6, hold: 70 },
    { temp: 500, rate: 7, hold: 0 },
  ],
  [
    { temp: 620, rate: 9, hold: 110 },
    { temp: 350, rate: 4, hold: 0 },
  ],
  [
    { temp: 550, rate: 8, hold: 40 },
    { temp: 760, rate: 5, hold: 45 },
    { temp: 920, rate: 4, hold: 30 },
    { temp: 480, rate: 6, hold: 0 },
  ],
];

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const hall = createWander(random.split('hall'), 2.5, 900);
  const mains = createWander(random.split('mains'), 0.012, 60);
  const waterIn = createWander(random.split('water'), 0.8, 1500);
  const valves = createWander(random.split('valves'), 0.02, 300);
  const gas = createWander(random.split('gas'), 0.15, 20);
  const draught = createWander(random.split('draught'), 1.2, 8);
  const zones = [0, 1, 2].map(() => ({
    temp: 300,
    wall: 280,
    sum: 0,
    power: 0,
    rated: constants.near(75, 0.04),
    loss: constants.near(0.034, 0.08),
  }));
  const lags = { shell: createLag(150, 20), water: createLag(6, 4), oxygen: createLag(12, 1) };
  const batch = { kind: 'idle', recipe: recipes[0], step: 0, left: 20, setpoint: 300, mass: 1, load: 200 };
  let energy = constants.whole(50_000, 500_000);

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    advance();
    const isOpen = batch.kind === 'open';
    const blows = isFault('fan is weak') ? fault.left : 1;
    const room = 24 + hall();
    const voltage = 1 + mains();
    heat(fault, { isOpen, blows, room, voltage });
    const total = zones.reduce((sum, { power }) => sum + power, 0);
    energy += total / 60;
    const mean = zones.reduce((sum, { temp }) => sum + temp, 0) / 3;
    const leak = isFault('door seal leaks') ? fault.by : 0;
    const insulation = isFault('insulation is damaged') ? 1 + fault.by : 1;
    const flow = 24 * (1 + valves()) * (isFault('water flow is low') ? fault.left : 1);
    const shell = room + lags.shell(0.052 * mean * (0.6 + 0.4 * insulation));
    const water = 17 + waterIn() + lags.water((0.0125 * mean * 24) / flow);
    const gasFlow = batch.kind === 'run' ? 8.5 + gas() : 2.2 + 0.3 * gas();
    const oxygen = lags.oxygen(isOpen ? 19 : (batch.kind === 'run' ? 0.8 : 1.8) + leak);
    const read = (value, deviation) => value + deviation * noise.normal();
    const shown = zones.map(({ temp }, z) => temp + errorOf(z, fault));
    return [
      batch.setpoint,
      ...shown.map((temp) => read(temp, 0.5)),
      read(batch.load, 1),
      ...zones.map(({ power }) => Math.max(0, power * read(1, 0.006))),
      read((6.8 - 0.0026 * mean) * (0.6 + 0.4 * blows) * voltage, 0.06),
      clamp(read(oxygen, 0.06), 0, 21),
      Math.max(0, read(gasFlow, 0.08)),
      read(isOpen ? 0 : 3.6 * gasFlow * (1 - 0.25 * leak) + draught(), 0.6),
      read(shell, 0.4),
      read(water, 0.12),
      read(flow, 0.25),
      isOpen ? 1 : 0,
      energy,
    ];
  };

  /** A minute of the recipe; then the door opens, and the next load waits a while. */
  function advance() {
    if (batch.kind === 'run') {
      const step = batch.recipe[batch.step];
      const way = step.temp - batch.setpoint;
      batch.setpoint += clamp(way, -step.rate, step.rate);
      if (Math.abs(way) > step.rate) return;
      batch.left -= 1;
      if (batch.left > 0) return;
      batch.step += 1;
      if (batch.step < batch.recipe.length) batch.left = batch.recipe[batch.step].hold;
      else Object.assign(batch, { kind: 'open', left: plan.whole(4, 9) });
      return;
    }
    batch.left -= 1;
    if (batch.left > 0) return;
    if (batch.kind === 'open') {
      // The new load is cold.
      Object.assign(batch, {
        kind: 'idle',
        left: plan.pick([5, 10, 20, 60]) + plan.whole(0, 20),
        setpoint: 300,
      });
      Object.assign(batch, { load: 30, mass: plan.uniform(0.6, 1.4) });
      return;
    }
    const recipe = plan.pick(recipes);
    Object.assign(batch, { kind: 'run', recipe, step: 0, left: recipe[0].hold });
  }

  function errorOf(z, fault) {
    return fault?.kind === 'thermocouple drifts' && fault.zone === z
      ? (fault.by * fault.at) / fault.length
      : 0;
  }

  /** A minute: PI of each zone; heat goes from the heater to gas, wall and load, and through the wall. */
  function heat(fault, { isOpen, blows, room, voltage }) {
    const temps = zones.map(({ temp }) => temp);
    let intoLoad = 0;
    zones.forEach((zone, z) => {
      const own = fault?.zone === z ? fault.kind : undefined;
      const low = batch.setpoint - (temps[z] + errorOf(z, fault));
      zone.sum = clamp(zone.sum + 0.0016 * low, 0, 0.8);
      const on = isOpen ? 0 : clamp(0.012 * low + zone.sum, 0, 1);
      const strength = own === 'heater element is broken' ? fault.left : 1;
      zone.power =
        zone.rated * voltage * voltage * strength * (own === 'heater stays on' ? Math.max(on, 0.55) : on);
      const near = [z - 1, z + 1].filter((other) => other >= 0 && other < 3);
      const mixed = near.reduce((sum, other) => sum + 0.9 * blows * (temps[other] - temps[z]), 0);
      const insulation = fault?.kind === 'insulation is damaged' && z !== 2 ? 1 + fault.by : 1;
      const seal = fault?.kind === 'door seal leaks' && z === 0 ? 0.012 * fault.by : 0;
      const lost = zone.loss * insulation * (zone.wall - room);
      const open = isOpen && z === 0 ? 0.5 * (temps[z] - room) : 0;
      const toWall = 0.35 * (temps[z] - zone.wall);
      const toLoad = 0.065 * (0.4 + 0.6 * blows) * (temps[z] - batch.load);
      intoLoad += toLoad;
      zone.temp += (zone.power + mixed - toWall - toLoad - open - seal * (temps[z] - room)) / 5;
      zone.wall += (toWall - lost) / 9;
    });
    batch.load += intoLoad / (7 * batch.mass);
  }
}

export const furnace = { interval: 60_000, history: 30_240, test: 10_080, channels, faults, start };
