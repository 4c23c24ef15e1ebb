/**
 * Faults of a sensor that nothing in the plant reads: they change what is recorded of one channel. `fault.sensor` names the
 * channel, `fault.how` the change, and `fault.size` its size, in units of the channel.
 */
const changes = {
  stuck: (value, { before }) => before,
  noisy: (value, { fault, random }) => value + fault.size * random.normal(),
  spikes: (value, { fault, random }) => {
    const isSpike = random.chance(0.12);
    const size = fault.size * random.uniform(0.5, 1.5);
    return isSpike ? value + size : value;
  },
  shift: (value, { fault }) => value + fault.size,
  drift: (value, { fault }) => value + (fault.size * (fault.at + 1)) / fault.length,
  scale: (value, { fault }) => value * fault.size,
  /** By `size` records. */
  delay: (value, { fault, past, i }) => past[(i - fault.size) % past.length],
};

/** @returns what turns the values of record i, in order of `channels`, into those that are recorded */
export function createSensors(channels, random) {
  const indices = new Map(channels.map(({ name }, c) => [name, c]));
  const past = Array.from({ length: 64 }, () => []);
  let before = [];
  return (values, i, fault) => {
    past[i % past.length] = values;
    if (fault?.sensor === undefined) return (before = values);
    const c = indices.get(fault.sensor);
    const context = { fault, random, i, before: before[c], past: past.map((one) => one[c]) };
    return values.with(c, changes[fault.how](values[c], context));
  };
}
