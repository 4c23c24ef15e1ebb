import { deeperReading } from '../../src/runtime/history-reading';

const limits = { maxRecords: 200_000, blocks: 1, length: 32, calibrationShare: 0.3 };
const counts = (devices: number, each: number): number[] => new Array<number>(devices).fill(each);

test('nothing else is read where most records are of devices with a window in the part that calibrates', () => {
  const extent = { read: 10, all: 10, available: 1e9 };
  expect(deeperReading({ records: 200_000 }, extent, counts(1800, 107), limits)).toBeUndefined();
  expect(deeperReading({ records: 200_000 }, extent, counts(2000, 100), limits)).toBeDefined();
  // Devices that sent little do not count where others have sent most.
  const mixed = [...counts(1000, 120), ...counts(9000, 8)];
  expect(deeperReading({ records: 192_000 }, extent, mixed, limits)).toBeUndefined();
});

test('as many devices as each has windows, from as many partitions as may be read', () => {
  // 100 partitions of 1,000 devices: 2,530 records of a device are 2.53 million of a partition.
  const extent = { read: 100, all: 100, available: 1e9 };
  expect(deeperReading({ records: 200_000 }, extent, counts(100_000, 2), limits)).toEqual({
    partitions: 1,
    records: 2_529_822,
  });
  // 30 partitions of 100 devices: all are read, further back.
  expect(
    deeperReading({ records: 200_000 }, { ...extent, read: 30, all: 30 }, counts(3000, 67), limits),
  ).toEqual({ partitions: 15, records: 15 * Math.floor((200_000 / 30) * (Math.sqrt(6.4e6) / 67)) });
});

test('no more is read of a partition than it has, and then of more partitions', () => {
  const extent = { read: 1000, all: 1000, available: 10_000_000 };
  expect(deeperReading({ records: 200_000 }, extent, counts(100_000, 2), limits)).toEqual({
    partitions: 400,
    records: 4_000_000,
  });
  // Nothing is left to read.
  expect(
    deeperReading(
      { partitions: 400, records: 4e6 },
      { ...extent, read: 400, available: 4e6 },
      counts(4000, 50),
      limits,
    ),
  ).toBeUndefined();
});

test('at most twenty records are read for each that fits', () => {
  const next = deeperReading(
    { records: 200_000 },
    { read: 1, all: 1, available: 1e12 },
    counts(200_000, 1),
    limits,
  )!;
  expect(next).toEqual({ partitions: 1, records: 4_000_000 });
  expect(
    deeperReading(next, { read: 1, all: 1, available: 1e12 }, counts(10_000, 20), limits),
  ).toBeUndefined();
});

test('each stretch of training.blocks must have a window', () => {
  const extent = { read: 10, all: 10, available: 1e9 };
  const ten = { ...limits, blocks: 10 };
  expect(deeperReading({ records: 200_000 }, extent, counts(700, 300), ten)).toBeDefined();
  expect(deeperReading({ records: 200_000 }, extent, counts(600, 333), ten)).toBeUndefined();
});

test('records of devices that are windows by themselves, such as images, need no others', () => {
  const images = { ...limits, length: 1 };
  expect(
    deeperReading({ records: 200_000 }, { read: 2, all: 2, available: 1e9 }, counts(200_000, 1), images),
  ).toBeUndefined();
});

test('a history without usable records is not read again', () => {
  expect(
    deeperReading({ records: 200_000 }, { read: 2, all: 2, available: 1e9 }, [], limits),
  ).toBeUndefined();
  expect(deeperReading({ records: 200_000 }, { read: 0, all: 0, available: 0 }, [], limits)).toBeUndefined();
});
