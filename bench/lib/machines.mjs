/** The records of the bench: machines of a plant, each with 8 channels that move together, in one of three modes. */

export const channels = [
  'temperature',
  'pressure',
  'flow',
  'vibration',
  'current',
  'voltage',
  'speed',
  'torque',
];
export const modes = ['idle', 'low', 'full'];

/** A linear congruential generator: the same records each time, and nothing to install. */
function createRandom(seed) {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
}

/** Makes record `t` of machine `k`; one in `faultEvery` of all has a flow that fits nothing. */
export function createMachines({ seed = 1, faultEvery = 1000 } = {}) {
  const random = createRandom(seed);
  return (k, t) => {
    const mode = Math.floor((t + k * 7) / 50) % modes.length;
    const z = Math.sin(t / 9 + k) + mode;
    const values = channels.map((_, j) => {
      const noise = 0.3 * (random() + random() - 1);
      return Number((10 * (j + 1) + (1 + j / 4) * z + noise).toFixed(3));
    });
    if (random() < 1 / faultEvery) values[2] += 30;
    return { key: `plant-4/line-2/machine-${k}`, values, mode: modes[mode] };
  };
}

/** About 300 bytes, with fields that nobody reads, as records have them. */
export function toJson({ key, values, mode }, timestamp) {
  return JSON.stringify({
    key,
    timestamp: new Date(timestamp).toISOString(),
    values: Object.fromEntries(channels.map((channel, j) => [channel, values[j]])),
    conditions: { mode },
    site: 'north-hall',
    firmware: '4.12.7',
  });
}

/** The binary format of docs/formats.md, values as float64. */
export function toBinary({ key, values, mode }, timestamp) {
  const head = Buffer.alloc(20);
  head.write('VR');
  head.writeUInt8(1, 2);
  head.writeUInt8(1, 3);
  head.writeDoubleLE(timestamp, 8);
  head.writeUInt16LE(values.length, 16);
  head.writeUInt8(1, 18);
  const name = Buffer.from(key);
  head.writeUInt8(name.length, 19);
  const text = Buffer.from(mode);
  const body = Buffer.from(Float64Array.from(values).buffer);
  return Buffer.concat([head, name, body, Buffer.of(2, text.length), text]);
}
