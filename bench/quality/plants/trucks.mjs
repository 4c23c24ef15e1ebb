/**
 * Twelve trucks that differ: trips with stops, loads and hills. Fuel, heat and tyre pressure follow from what the truck does and
 * from what kind it is.
 */
import { clamp, createLag, createWander, sine } from './numbers.mjs';

const channels = [
  { name: 'speed', decimals: 0 },
  { name: 'engine_rpm', decimals: 0, quantum: 10 },
  { name: 'fuel_rate', decimals: 2 },
  { name: 'engine_load', decimals: 0 },
  { name: 'coolant_temp', decimals: 0 },
  { name: 'oil_pressure', decimals: 2, quantum: 0.04 },
  { name: 'tyre1', decimals: 2, quantum: 0.05 },
  { name: 'tyre2', decimals: 2, quantum: 0.05 },
  { name: 'tyre3', decimals: 2, quantum: 0.05 },
  { name: 'tyre4', decimals: 2, quantum: 0.05 },
  { name: 'brake_temp', decimals: 0 },
  { name: 'battery_voltage', decimals: 2, missing: 0.01 },
  { name: 'ambient_temp', decimals: 0 },
  { name: 'odometer', decimals: 0 },
];

/** In records of 30 seconds. Each truck has at most one. */
function faults(random) {
  return [
    { kind: 'tyre loses air', lasts: [200, 600], tyre: random.whole(0, 3), by: random.uniform(1.2, 2.6) },
    { kind: 'coolant runs low', lasts: [120, 400], recovers: 30, by: random.uniform(0.25, 0.45) },
    { kind: 'injector is worn', lasts: [300, 700], by: random.uniform(0.08, 0.18) },
    { kind: 'oil pressure falls', lasts: [100, 400], by: random.uniform(0.15, 0.35) },
    { kind: 'brake drags', lasts: [60, 300], recovers: 40, by: random.uniform(60, 140) },
    { kind: 'alternator does not charge', lasts: [60, 240], recovers: 30 },
    { kind: 'coolant temperature is stuck', lasts: [60, 240], sensor: 'coolant_temp', how: 'stuck' },
    { kind: 'speed is noisy', lasts: [60, 300], sensor: 'speed', how: 'noisy', size: 9 },
    { kind: 'clutch slips', lasts: [100, 400], by: random.uniform(0.06, 0.14) },
  ];
}

function start(random, device) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const hill = createWander(random.split('hill'), 1, 5);
  const wander = createWander(random.split('wander'), 3, 6);
  const chill = createWander(random.split('chill'), 2, 600);
  const truck = {
    ratio: constants.uniform(14.6, 17.5),
    mass: constants.uniform(13, 18),
    drag: constants.uniform(0.85, 1.15),
    idle: constants.uniform(540, 620),
    limit: constants.uniform(80, 88),
    thermostat: constants.uniform(83, 89),
    tyres: [0, 1, 2, 3].map((wheel) => constants.uniform(7.6, 8) + (wheel > 1 ? 0.4 : 0)),
    oil: constants.uniform(4.2, 5),
    night: constants.uniform(-0.1, 0.1),
  };
  const engineHeat = createLag(12, 80);
  const tyreHeat = truck.tyres.map(() => createLag(40, 10));
  const brakeHeat = createLag(10, 20);
  const trip = { kind: 'stop', left: constants.whole(1, 120), load: 0, target: 0, isOff: false };
  const state = { speed: 0, charge: 1, odometer: constants.whole(20_000, 600_000) + 1000 * device };

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    drive();
    const before = state.speed;
    const change = clamp(trip.target + (trip.target > 0 ? wander() : 0) - before, -45, 28);
    state.speed = Math.max(0, before + change);
    const speed = state.speed;
    state.odometer += speed / 120;
    const ambient = 11 + chill() + 5 * sine(i / 2880 - 0.35);
    const slope = speed > 5 ? hill() : 0;

    // kW, from rolling, air, slope and acceleration.
    const mass = truck.mass + trip.load;
    const friction = isFault('brake drags') ? 0.12 : 0;
    const rolling = speed * mass * 0.016 * (1 + friction) * truck.drag;
    const wind = truck.drag * 0.000075 * speed * speed * speed;
    const asked = rolling + wind + slope * mass * speed * 0.012 + Math.max(0, change) * mass * 0.05;
    const power = clamp(asked, 0, 320);
    const runs = !trip.isOff;
    const gear = [12, 26, 45, 70, 200].findIndex((top) => speed < top);
    const slip = isFault('clutch slips') && power > 40 ? 1 + fault.by : 1;
    const geared = speed * truck.ratio * [5.2, 2.9, 1.7, 1.25, 1][gear] * slip;
    const rpm = runs ? Math.max(truck.idle, geared) : 0;
    const worn = isFault('injector is worn') ? 1 + fault.by : 1;
    const fuel = runs ? (1.6 + 0.0009 * rpm + 0.225 * power * slip) * worn : 0;
    const braking = Math.max(0, -change) + Math.max(0, -slope) * 4 * (speed > 40 ? 1 : 0);
    const temps = heat(power, runs, speed, ambient, braking, fault);
    charge(runs && !isFault('alternator does not charge'), runs);
    const oilLost = isFault('oil pressure falls')
      ? 1 - fault.by * Math.min(1, (2 * fault.at) / fault.length)
      : 1;
    const oil = runs
      ? truck.oil * oilLost * (0.35 + 0.65 * Math.min(1, rpm / 1300)) - 0.012 * (temps.engine - 85)
      : 0;
    const read = (value, deviation) => value + deviation * noise.normal();
    return [
      Math.max(0, speed > 0 ? read(speed, 0.7) : 0),
      runs ? read(rpm, 12) : 0,
      Math.max(0, fuel * read(1, 0.03)),
      runs ? clamp(read(12 + power / 3.2, 1.5), 0, 100) : 0,
      read(temps.engine, 0.4),
      Math.max(0, runs ? read(oil, 0.05) : 0),
      ...tyresOf(speed, mass, ambient, fault).map((pressure) => Math.max(0, read(pressure, 0.02))),
      read(temps.brake, 2),
      read(
        (runs ? 25.1 + 3.1 * (isFault('alternator does not charge') ? 0 : 1) : 25) - 4 * (1 - state.charge),
        0.06,
      ),
      read(ambient, 0.3),
      state.odometer,
    ];
  };

  /** City, road and motorway in turn; deliveries and rests between. */
  function drive() {
    trip.left -= 1;
    if (trip.left > 0) {
      // Traffic lights.
      if (trip.kind === 'city') trip.target = plan.chance(0.18) ? 0 : plan.uniform(25, 52);
      return;
    }
    const begin = (kind, minutes, target, isOff = false) =>
      Object.assign(trip, { kind, left: Math.ceil(2 * minutes), target, isOff });
    const wasStop = trip.kind === 'stop';
    if (wasStop) trip.load = plan.uniform(1, 21);
    if (wasStop || trip.kind === 'motorway') return begin('city', plan.uniform(8, 25), 40);
    if (trip.kind === 'road') return begin('motorway', plan.uniform(20, 110), truck.limit);
    if (plan.chance(0.55)) return begin('road', plan.uniform(8, 30), plan.uniform(58, 72));
    const isLong = plan.chance(0.3);
    return begin('stop', isLong ? plan.uniform(30, 75) : plan.uniform(6, 20), 0, isLong || plan.chance(0.5));
  }

  function heat(power, runs, speed, ambient, braking, fault) {
    const lost =
      fault?.kind === 'coolant runs low' ? fault.by * Math.min(1, (2 * fault.at) / fault.length) : 0;
    // Of the cooler, in K above the air; a thermostat keeps the engine warm.
    const load = (power * 0.24) / (1 - lost) + 22 - 0.05 * speed;
    const engine = runs
      ? Math.max(truck.thermostat, ambient + load + 10) + 0.012 * power + 12 * lost
      : ambient + 30;
    const drags = fault?.kind === 'brake drags' && speed > 10 ? fault.by : 0;
    return {
      engine: engineHeat(engine),
      brake: ambient + brakeHeat(6 + 2.6 * braking + drags),
    };
  }

  /** Air in a tyre warms by rolling; pressure is that of a gas. */
  function tyresOf(speed, mass, ambient, fault) {
    return truck.tyres.map((cold, wheel) => {
      const leaks = fault?.kind === 'tyre loses air' && fault.tyre === wheel;
      const air = cold - (leaks ? (fault.by * fault.at) / fault.length : 0);
      const warm = ambient + tyreHeat[wheel](0.012 * speed * mass * (leaks ? 1.2 : 1));
      return ((air + 1) * (273 + warm)) / 288 - 1;
    });
  }

  function charge(isCharging, runs) {
    if (isCharging) state.charge = Math.min(1, state.charge + 0.01);
    else state.charge = Math.max(0.4, state.charge - (runs ? 0.006 : 0.0004));
  }
}

export const trucks = { interval: 30_000, history: 3_300, test: 1_500, devices: 12, channels, faults, start };
