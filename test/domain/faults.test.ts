import { faultKinds } from '../../src/domain/fault-kinds';
import { putFault, recordFaults, type FaultSite, type RecordFault } from '../../src/domain/faults';
import { imageFaults } from '../../src/domain/image-faults';
import { createRandom } from '../../src/tensor';

/** 16 records before the fault, 32 with it, of 3 channels that never repeat and are never 0. */
const width = 3;
const from = 16;
const records = 48;
const site: FaultSite = {
  values: Float64Array.from({ length: records * width }, (_, i) => 10 ** (i % 3) * (2 + Math.sin(i * i))),
  width,
  from,
};
const scale = [0.5, 5, 50];
const scales = { channels: [0, 1, 2], scale };

function put(
  kind: RecordFault,
  size: number,
  seed = 1,
  given: Partial<FaultSite> = {},
  channels = [0, 1, 2],
) {
  return putFault(
    kind,
    size,
    { ...site, ...given },
    { channels, scale },
    createRandom(seed),
  )! as Float64Array;
}

const channelOf = (values: ArrayLike<number>, j: number): number[] =>
  Array.from({ length: values.length / width }, (_, row) => values[row * width + j]!);

/** The channels that differ from the site, and the rows from the first to the last difference. */
function changes(values: ArrayLike<number>) {
  const changed = Array.from(site.values.keys()).filter((i) => values[i] !== site.values[i]);
  const rows = changed.map((i) => Math.floor(i / width));
  return {
    channels: [...new Set(changed.map((i) => i % width))].sort(),
    first: Math.min(...rows),
    last: Math.max(...rows),
  };
}

/** The changed channel: as it was, and with the fault. */
function changedChannel(values: Float64Array) {
  const j = changes(values).channels[0]!;
  return { j, before: channelOf(site.values, j), after: channelOf(values, j) };
}

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

describe.each(Object.keys(recordFaults) as RecordFault[])('%s', (kind) => {
  const size = recordFaults[kind].sizes[0]!;

  test('changes nothing before its first record, and no other channel', () => {
    for (const seed of seeds) {
      const { channels, first } = changes(put(kind, size, seed));
      expect(first).toBeGreaterThanOrEqual(from);
      expect(channels).toHaveLength({ 'frozen-device': 3, swapped: 2 }[kind as string] ?? 1);
    }
  });

  test('is the same for a seed, and comes to each channel', () => {
    expect(put(kind, size, 3)).toEqual(put(kind, size, 3));
    const all = new Set(seeds.flatMap((seed) => changes(put(kind, size, seed)).channels));
    expect([...all].sort()).toEqual([0, 1, 2]);
  });

  test('leaves the values of the site, missing ones, and channels that it may not change', () => {
    const copy = site.values.slice();
    const values = copy.map((value, i) => (i % 7 === 0 ? NaN : value));
    const faulty = put(kind, size, 1, { values });
    expect(Array.from(values, Number.isNaN)).toEqual(Array.from(copy, (_, i) => i % 7 === 0));
    expect(Array.from(faulty, Number.isNaN)).toEqual(Array.from(values, Number.isNaN));
    expect(site.values).toEqual(copy);
    for (const seed of kind === 'frozen-device' ? [] : seeds)
      expect(changes(put(kind, size, seed, {}, [0, 2])).channels).not.toContain(1);
  });
});

test('a spike is one record, up or down by its size', () => {
  const signs = seeds.map((seed) => {
    const values = put('spike', 6, seed);
    expect(changes(values)).toMatchObject({ first: from, last: from });
    const { j, before, after } = changedChannel(values);
    const moved = (after[from]! - before[from]!) / scale[j]!;
    expect(Math.abs(moved)).toBeCloseTo(6, 10);
    return Math.sign(moved);
  });
  expect(new Set(signs).size).toBe(2);
});

test('a shift is the same in each record, a drift grows to its size, and noise has it as its deviation', () => {
  const moved = (kind: RecordFault): number[] => {
    const { j, before, after } = changedChannel(put(kind, 3));
    return after.slice(from).map((value, i) => (value - before[from + i]!) / scale[j]!);
  };
  for (const by of moved('shift')) expect(Math.abs(by)).toBeCloseTo(3, 10);
  moved('drift').forEach((by, i) => expect(Math.abs(by)).toBeCloseTo((3 * (i + 1)) / 32, 10));
  const squares = moved('variance').map((by) => by ** 2);
  const deviation = Math.sqrt(squares.reduce((sum, square) => sum + square / squares.length, 0));
  expect(deviation).toBeGreaterThan(2);
  expect(deviation).toBeLessThan(4);
});

test('a frozen channel repeats its last value for its size, and a frozen device each of its channels', () => {
  const { before, after } = changedChannel(put('frozen', 8));
  expect(after.slice(from, from + 8)).toEqual(new Array(8).fill(before[from - 1]));
  expect(after.slice(from + 8)).toEqual(before.slice(from + 8));
  const device = put('frozen-device', 8);
  for (let j = 0; j < width; j++)
    expect(new Set(channelOf(device, j).slice(from - 1, from + 8)).size).toBe(1);
});

test('swapped channels have the values of each other', () => {
  const values = put('swapped', 8);
  const [j, k] = changes(values).channels as [number, number];
  expect(channelOf(values, j).slice(from, from + 8)).toEqual(channelOf(site.values, k).slice(from, from + 8));
  expect(channelOf(values, k).slice(from, from + 8)).toEqual(channelOf(site.values, j).slice(from, from + 8));
  expect(putFault('swapped', 8, site, { channels: [1], scale }, createRandom(1))).toBeUndefined();
});

test('a decorrelated channel stays in its range and moves against the others', () => {
  const { before, after } = changedChannel(put('decorrelated', 32));
  expect(Math.min(...after)).toBeGreaterThanOrEqual(Math.min(...before));
  expect(Math.max(...after)).toBeLessThanOrEqual(Math.max(...before));
  for (let row = from + 1; row < records; row++)
    expect(after[row]! - after[row - 1]!).toBeCloseTo(before[row - 1]! - before[row]!, 8);
});

test('a dropout is 0 for its size, and a delay shows the value of so many records before', () => {
  const { before, after } = changedChannel(put('dropout', 8));
  expect(after.slice(from)).toEqual([...new Array(8).fill(0), ...before.slice(from + 8)]);
  const late = changedChannel(put('delay', 8));
  expect(late.after.slice(from)).toEqual(late.before.slice(from - 8, -8));
});

test('what changes no record is no fault: another channel gets it, or none', () => {
  const resting = site.values.map((value, i) => (i % width === 0 ? value : 0));
  for (const seed of seeds) {
    for (const kind of ['frozen', 'dropout', 'delay', 'decorrelated'] as const) {
      const values = put(kind, 8, seed, { values: resting });
      expect(channelOf(values, 0)).not.toEqual(channelOf(resting, 0));
      expect(
        putFault(kind, 8, { ...site, values: resting }, { channels: [1, 2], scale }, createRandom(seed)),
      ).toBe(undefined);
    }
  }
  expect(putFault('shift', 3, site, { ...scales, channels: [] }, createRandom(1))).toBeUndefined();
});

test('each kind has a name of its own, and its sizes ascend', () => {
  expect(new Set(faultKinds).size).toBe(19);
  for (const { sizes } of [...Object.values(recordFaults), ...Object.values(imageFaults)])
    expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
});
