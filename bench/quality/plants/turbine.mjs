/**
 * A wind turbine: wind with memory, power after the power curve, speed and pitch as its control sets them, temperatures that
 * follow the losses with a lag. Below rated wind the rotor speed follows the wind; above it the blades pitch and power stays.
 */
import { clamp, createLag, createWander, sine } from './numbers.mjs';

const recordsPerDay = 144;
const ratedPower = 2050;

const channels = [
  { name: 'wind_speed', decimals: 1 },
  { name: 'wind_direction', decimals: 0 },
  { name: 'nacelle_direction', decimals: 0, quantum: 4 },
  { name: 'power', decimals: 1 },
  { name: 'power_limit', decimals: 0 },
  { name: 'rotor_speed', decimals: 2 },
  { name: 'generator_speed', decimals: 0 },
  { name: 'pitch1', decimals: 2 },
  { name: 'pitch2', decimals: 2 },
  { name: 'pitch3', decimals: 2 },
  { name: 'gear_oil_temp', decimals: 1 },
  { name: 'gear_bearing_temp', decimals: 1 },
  { name: 'generator_bearing_temp', decimals: 1 },
  { name: 'generator_winding_temp', decimals: 1, missing: 0.006 },
  { name: 'ambient_temp', decimals: 1 },
  { name: 'gear_oil_pressure', decimals: 2 },
  { name: 'hydraulic_pressure', decimals: 1 },
  { name: 'tower_vibration', decimals: 4 },
  { name: 'reactive_power', decimals: 1 },
];

/** In records of 10 minutes. */
function faults(random) {
  return [
    { kind: 'gear bearing overheats', lasts: [300, 550], recovers: 12, by: random.uniform(6, 11) },
    { kind: 'oil cooler does not cool', lasts: [60, 300], recovers: 18, by: random.uniform(0.3, 0.6) },
    { kind: 'pitch of a blade is off', lasts: [100, 400], by: random.uniform(1, 2.2) },
    { kind: 'nacelle stands askew', lasts: [144, 400], by: random.pick([-1, 1]) * random.uniform(11, 18) },
    {
      kind: 'anemometer reads low',
      lasts: [144, 400],
      sensor: 'wind_speed',
      how: 'scale',
      size: random.uniform(0.84, 0.91),
    },
    { kind: 'ice on the blades', lasts: [60, 200], by: random.uniform(0.12, 0.25) },
    {
      kind: 'winding temperature is stuck',
      lasts: [72, 300],
      sensor: 'generator_winding_temp',
      how: 'stuck',
    },
    { kind: 'hydraulic oil leaks', lasts: [144, 450], by: random.uniform(12, 25) },
    {
      kind: 'generator bearing is noisy',
      lasts: [100, 300],
      sensor: 'generator_bearing_temp',
      how: 'noisy',
      size: 2.2,
    },
  ];
}

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const plan = random.split('plan');
  const weather = createWander(random.split('weather'), 2.7, 120);
  const breeze = createWander(random.split('breeze'), 1.1, 5);
  const turn = createWander(random.split('turn'), 100, 250);
  const swing = createWander(random.split('swing'), 7, 3);
  const warmth = createWander(random.split('warmth'), 4, 4 * recordsPerDay);
  const density = createWander(random.split('density'), 0.012, 300);
  const pressure = createWander(random.split('pressure'), 1.2, 40);
  const gearLoss = constants.near(24);
  const cut = constants.uniform(2.9, 3.3);
  const lags = {
    oil: createLag(7, 20),
    bearing: createLag(4, 22),
    generator: createLag(5, 18),
    winding: createLag(3, 15),
  };
  let nacelle = 0;
  const limit = { value: ratedPower, until: 0, next: constants.whole(200, 600) };
  const service = { until: 0, next: constants.whole(1500, 4000) };
  let accumulator = 170;

  return (i, fault) => {
    const isFault = (kind) => fault?.kind === kind;
    const wind = Math.max(0.2, 7.3 + weather() + breeze() + 0.7 * sine(i / recordsPerDay - 0.35));
    const direction = turn() + swing();
    const ambient = 9 + warmth() + 4 * sine(i / recordsPerDay - 0.4);
    schedule(i);

    // The nacelle follows in steps.
    if (Math.abs(direction - nacelle) > 9) nacelle = direction;
    const skew = (isFault('nacelle stands askew') ? fault.by : 0) / 360;
    const facing = sine(0.25 + (direction - nacelle) / 720 + skew);
    const caught = wind * facing;
    const stands = i < service.until || wind < cut;
    const ice = isFault('ice on the blades') ? fault.by * Math.min(1, fault.at / 20) : 0;
    const pitchError = isFault('pitch of a blade is off') ? fault.by : 0;
    const lost = (1 - ice) * (1 - 0.025 * pitchError);
    const available = stands
      ? 0
      : 1.4 * (1 + density() - 0.003 * (ambient - 9)) * (caught * caught * caught) * lost;
    const power = softMin(available, limit.value);
    const share = power / ratedPower;

    const rotor = stands
      ? 0.3 * Math.min(1, wind / 3)
      : clamp(1.62 * caught, 8.5, 15.6) * (1 + 0.002 * (share - 1));
    const excess = available / Math.max(1, limit.value);
    const pitch = stands
      ? 86
      : Math.max(0, 1 + 0.2 * (1 - share)) + (excess > 1 ? 9.5 * Math.sqrt(excess - 1) : 0);
    const temps = heat(rotor / 15.6, share, ambient, fault);
    const oil = hydraulic(isFault('hydraulic oil leaks') ? (fault.by * fault.at) / fault.length : 0);
    const shaking =
      0.004 +
      0.0016 * wind * (stands ? 0.5 : 1) +
      (stands ? 0 : 0.01 * pitchError + 0.05 * ice) +
      // Near the speed at which the tower resonates.
      (stands ? 0 : 0.012 / (1 + (rotor - 10.4) * (rotor - 10.4) * 4));
    const read = (value, deviation) => value + deviation * noise.normal();
    const blade = (error) => read(pitch + error, 0.03);
    return [
      Math.max(0, read(wind, 0.25)),
      degrees(read(direction, 2)),
      degrees(nacelle + 360 * skew),
      read(power, 4 + 18 * share) - (stands ? 22 : 0),
      limit.value,
      Math.max(0, read(rotor, 0.05)),
      Math.max(0, read(rotor * 107.3, 4)),
      blade(0),
      blade(stands ? 0 : pitchError),
      blade(0),
      read(temps.oil, 0.25),
      read(temps.bearing, 0.25),
      read(temps.generator, 0.3),
      read(temps.winding, 0.4),
      read(ambient, 0.2),
      Math.max(0, read(0.3 + 2.6 * Math.min(1, rotor / 12) - 0.012 * (temps.oil - 45), 0.04)),
      read(oil + pressure(), 0.4),
      shaking * Math.max(0.3, 1 + 0.15 * noise.normal()),
      read(0.12 * power * (0.6 + 0.4 * share), 6),
    ];
  };

  /** Limits of the grid, for some hours; service, for half a day. */
  function schedule(i) {
    if (i >= limit.until) limit.value = ratedPower;
    if (i >= limit.next) {
      limit.value = plan.pick([500, 1000, 1500]);
      limit.until = i + plan.whole(12, 70);
      limit.next = i + plan.whole(250, 1000);
    }
    if (i >= service.next) {
      service.until = i + plan.whole(20, 50);
      service.next = i + plan.whole(2500, 5000);
    }
  }

  function heat(speed, share, ambient, fault) {
    const nacelleTemp = ambient + 6 + 5 * share;
    const wear = fault?.kind === 'gear bearing overheats' ? (fault.by * fault.at) / fault.length : 0;
    const uncooled = fault?.kind === 'oil cooler does not cool' ? fault.by : 0;
    const loss = 10 * speed + gearLoss * share * (1 + uncooled) + 0.2 * wear * speed;
    // A thermostat keeps warm oil from getting warmer.
    const oil = lags.oil(
      nacelleTemp + loss - (uncooled > 0 ? 0 : 0.35 * Math.max(0, nacelleTemp + loss - 52)),
    );
    return {
      oil,
      bearing: lags.bearing(oil + 3 * speed + 8 * share + wear * speed),
      generator: lags.generator(nacelleTemp + 14 * speed + 12 * share),
      winding: lags.winding(nacelleTemp + 6 * speed + 52 * share * share),
    };
  }

  /** A pump fills the accumulator when it gets low. */
  function hydraulic(leak) {
    accumulator -= plan.uniform(0.3, 0.9) + 0.12 * leak;
    if (accumulator < 155) accumulator = 178 - 0.35 * leak;
    return accumulator;
  }
}

/** The smaller one, with a round corner. */
function softMin(a, b) {
  const d = a - b;
  return (a + b - Math.sqrt(d * d + 0.006 * b * b)) / 2;
}

function degrees(angle) {
  const turned = Math.round(angle) % 360;
  return turned < 0 ? turned + 360 : turned;
}

export const turbine = { interval: 600_000, history: 26_280, test: 8_784, channels, faults, start };
