/**
 * A machine tool that runs part programs: steps with a tool, a speed and a cut, each of its own length, then unloading. Currents
 * follow from cut and wear, vibration from speed and load, temperatures from losses.
 */
import { clamp, createLag, createWander } from './numbers.mjs';

const channels = [
  { name: 'spindle_speed', decimals: 0, quantum: 5 },
  { name: 'spindle_current', decimals: 2 },
  { name: 'feed_rate', decimals: 0 },
  { name: 'x_current', decimals: 2 },
  { name: 'z_current', decimals: 2 },
  { name: 'vibration_radial', decimals: 3 },
  { name: 'vibration_axial', decimals: 3 },
  { name: 'coolant_flow', decimals: 1, quantum: 0.2 },
  { name: 'coolant_pressure', decimals: 2 },
  { name: 'coolant_temp', decimals: 1 },
  { name: 'spindle_temp', decimals: 1 },
  { name: 'hydraulic_pressure', decimals: 1 },
  { name: 'power', decimals: 2, missing: 0.005 },
  { name: 'tool', decimals: 0 },
  { name: 'door_closed', decimals: 0 },
  { name: 'parts', decimals: 0 },
];

/** In records of a second. */
function faults(random) {
  return [
    { kind: 'tool breaks', lasts: [90, 300] },
    { kind: 'spindle bearing is worn', lasts: [350, 600], recovers: 300, by: random.uniform(0.6, 1.2) },
    { kind: 'coolant pump is weak', lasts: [300, 700], left: random.uniform(0.55, 0.75) },
    { kind: 'coolant nozzle is blocked', lasts: [200, 500], left: random.uniform(0.4, 0.6) },
    { kind: 'chatter', lasts: [150, 400] },
    { kind: 'axis has friction', lasts: [400, 800], by: random.uniform(0.25, 0.5) },
    { kind: 'hydraulic pressure leaks', lasts: [300, 700], by: random.uniform(3, 6) },
    { kind: 'spindle current is stuck', lasts: [60, 180], sensor: 'spindle_current', how: 'stuck' },
    { kind: 'feed is too low', lasts: [300, 600], left: random.uniform(0.55, 0.75) },
  ];
}

/** Steps of a program: `tool`, `speed` in 1/min, `feed` in mm/min, `load` in A, mean `seconds`, share of the feed in x. */
const programs = [
  [
    { tool: 1, speed: 2400, feed: 600, load: 9, seconds: 45, x: 0.9 },
    { tool: 2, speed: 3600, feed: 420, load: 5, seconds: 60, x: 0.5 },
    { tool: 5, speed: 1200, feed: 180, load: 12, seconds: 25, x: 0.1 },
  ],
  [
    { tool: 1, speed: 2200, feed: 700, load: 10, seconds: 70, x: 0.8 },
    { tool: 3, speed: 4200, feed: 500, load: 4, seconds: 35, x: 0.6 },
    { tool: 2, speed: 3300, feed: 380, load: 6, seconds: 40, x: 0.4 },
    { tool: 4, speed: 900, feed: 150, load: 14, seconds: 30, x: 0.1 },
  ],
  [
    { tool: 4, speed: 1000, feed: 170, load: 13, seconds: 20, x: 0.1 },
    { tool: 3, speed: 4500, feed: 540, load: 3.5, seconds: 90, x: 0.7 },
  ],
];

function start(random) {
  const constants = random.split('constants');
  const noise = random.split('noise');
  const ringing = random.split('ringing');
  const plan = random.split('plan');
  const material = createWander(random.split('material'), 0.05, 60);
  const hum = createWander(random.split('hum'), 0.05, 15);
  const hall = createWander(random.split('hall'), 0.8, 5000);
  const own = programs.map((program) =>
    program.map((step) => ({
      ...step,
      load: constants.near(step.load),
      seconds: constants.near(step.seconds, 0.2),
    })),
  );
  const bearing = constants.near(0.35);
  const wear = new Map([1, 2, 3, 4, 5].map((tool) => [tool, constants.uniform(0, 0.2)]));
  const lags = {
    speed: createLag(1.5, 0),
    feed: createLag(0.8, 0),
    load: createLag(1, 0),
    coolant: createLag(2, 0),
    spindleHeat: createLag(300, 10),
    coolantHeat: createLag(3000, 4),
  };
  const job = { program: own[0], name: 0, left: 12, parts: constants.whole(1000, 9000) };
  const action = { kind: 'idle', left: 30, step: 0 };
  let accumulator = 62;
  let broken;

  return (i, fault) => {
    const cut = act(fault);
    const speed = lags.speed(cut.speed);
    const feed = lags.feed(cut.feed * feedShare(fault));
    const grain = 1 + material();
    const load = lags.load(cut.load * grain * (0.25 + 0.75 * feedShare(fault)));
    const temps = heat(speed, load, fault);
    const idle = 0.0011 * speed + 0.4 * bearingOf(fault) * (speed / 3000);
    const spindle = 0.6 + idle + load;
    const [x, z] = axes(cut, feed, load, fault);
    const shaking = vibration(speed, load, cut.tool, fault);
    const coolant = coolantOf(cut.isWet, fault);
    const hydraulic = hydraulicPressure(cut, fault);
    const read = (value, deviation) => value + deviation * noise.normal();
    return [
      read(speed, 2),
      Math.max(0, read(spindle, 0.05 + 0.02 * load)),
      Math.max(0, read(feed, 1)),
      read(x, 0.05),
      read(z, 0.05),
      shaking * (0.02 + bearing) * Math.max(0.1, 1 + 0.18 * noise.normal()),
      shaking * 0.6 * (0.02 + bearing) * Math.max(0.1, 1 + 0.2 * noise.normal()),
      Math.max(0, read(coolant.flow, coolant.flow > 1 ? 0.25 : 0)),
      Math.max(0, read(coolant.pressure, 0.05)),
      read(temps.coolant, 0.05),
      read(temps.spindle, 0.08),
      read(hydraulic, 0.15),
      read(
        0.9 + 0.00018 * speed + 0.28 * load + 0.12 * (Math.abs(x) + Math.abs(z)) + 0.09 * coolant.flow,
        0.04,
      ),
      cut.tool,
      cut.isClosed ? 1 : 0,
      job.parts,
    ];
  };

  /** What the program asks for in this second. */
  function act(fault) {
    const step = job.program[action.step];
    const still = { speed: 0, feed: 0, load: 0, x: 0.5, tool: step.tool, isWet: false, isClosed: true };
    action.left -= 1;
    if (action.left <= 0) proceed(fault);
    if (action.kind === 'cut') {
      // The first tool that cuts.
      if (fault?.kind !== 'tool breaks') broken = undefined;
      else broken ??= step.tool;
      const isBroken = broken === step.tool;
      const worn = 1 + wear.get(step.tool);
      return { ...step, load: isBroken ? 0.15 * step.load : step.load * worn, isWet: true, isClosed: true };
    }
    if (action.kind === 'rapid') return { ...still, feed: 6000, speed: step.speed };
    return action.kind === 'change tool' ? still : { ...still, isClosed: false };
  }

  /** To the next action: rapid, cut and tool change for each step, then the next part, or an idle time. */
  function proceed(fault) {
    const begin = (kind, seconds) => Object.assign(action, { kind, left: Math.max(1, Math.round(seconds)) });
    const { seconds } = job.program[action.step];
    if (action.kind === 'idle') return begin('rapid', 3);
    if (action.kind === 'rapid') return begin('cut', (seconds * plan.uniform(0.97, 1.03)) / feedShare(fault));
    if (action.kind === 'change tool') {
      action.step += 1;
      return begin('rapid', 3);
    }
    wearOf(job.program[action.step].tool);
    if (action.step + 1 < job.program.length) return begin('change tool', plan.uniform(5, 7));
    job.parts += 1;
    job.left -= 1;
    action.step = 0;
    if (job.left > 0) return begin('idle', plan.uniform(14, 30));
    job.program = plan.pick(own);
    job.left = plan.whole(5, 14);
    return begin('idle', plan.uniform(90, 420));
  }

  function feedShare(fault) {
    return fault?.kind === 'feed is too low' ? fault.left : 1;
  }

  /** A tool wears with each cut, and is replaced at its end. */
  function wearOf(tool) {
    const worn = wear.get(tool) + plan.uniform(0.004, 0.01);
    wear.set(tool, worn > 0.25 ? 0 : worn);
  }

  function bearingOf(fault) {
    return fault?.kind === 'spindle bearing is worn'
      ? fault.by * Math.min(1, (3 * fault.at) / fault.length)
      : 0;
  }

  function axes(cut, feed, load, fault) {
    const friction = fault?.kind === 'axis has friction' ? 1 + fault.by : 1;
    const xFeed = feed * cut.x;
    const drag = 0.5 + (xFeed > 20 ? 0.5 : 0) + 0.00035 * xFeed;
    return [
      drag * friction + 0.09 * load * cut.x,
      1.1 + 0.0004 * feed * (1 - cut.x) + 0.12 * load * (1 - cut.x),
    ];
  }

  /** Relative to the machine at rest; resonance near 3,400 1/min. */
  function vibration(speed, load, tool, fault) {
    const off = (speed - 3400) / 500;
    const resonance = 1.4 / (1 + off * off);
    const blunt = 1 + 1.2 * (wear.get(tool) ?? 0);
    const isChattering = fault?.kind === 'chatter' && load > 3 && ringing.chance(0.35);
    const worn = 1 + 1.5 * bearingOf(fault);
    const base = 0.15 + (speed / 3000) * (1 + resonance * 0.6) * worn * (1 + hum());
    return base + 0.11 * load * blunt * (isChattering ? 3.5 : 1);
  }

  function coolantOf(isWet, fault) {
    const weak = fault?.kind === 'coolant pump is weak' ? fault.left : 1;
    const blocked = fault?.kind === 'coolant nozzle is blocked' ? fault.left : 1;
    const flow = lags.coolant(isWet ? 18 * weak * (0.35 + 0.65 * blocked) : 0);
    const opening = 0.35 + 0.65 * blocked;
    return { flow, pressure: 0.05 + (6.2 * (flow / 18) ** 2) / (opening * opening * opening) };
  }

  /** The pump fills an accumulator when it is below 55 bar; clamping and tool changes take from it. */
  function hydraulicPressure(cut, fault) {
    const leak = fault?.kind === 'hydraulic pressure leaks' ? fault.by : 1;
    const drawn = cut.isClosed ? 0.03 * leak : 0.09 + 0.03 * leak;
    accumulator -= drawn + (action.kind === 'change tool' ? 0.4 : 0);
    if (accumulator < 55) accumulator = 65;
    return accumulator;
  }

  function heat(speed, load, fault) {
    const room = 22 + hall();
    const loss = 0.0035 * speed + 0.5 * load + 5 * bearingOf(fault);
    const spindle = room + lags.spindleHeat(loss * 1.3);
    return { spindle, coolant: clamp(room + lags.coolantHeat(0.45 * load + 0.0006 * speed), 10, 60) };
  }
}

export const machine = { interval: 1_000, history: 28_800, test: 10_800, channels, faults, start };
