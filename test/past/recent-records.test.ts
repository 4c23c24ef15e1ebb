import {
  bandOf,
  createRecentRecords,
  emptyColumns,
  onlyChannels,
  thin,
  type RecordColumns,
} from '../../src/past/recent-records';

/** A record of two channels: its number, and the same negative; the model expects one more. */
function add(ring: ReturnType<typeof createRecentRecords>, i: number): void {
  ring.add(1000 * i, i / 10, 3, i / 10, (into, at) => into.set([i, -i, i + 1, -i + 1], at));
}

function columns(ring: ReturnType<typeof createRecentRecords>, most?: number): RecordColumns {
  const all = emptyColumns(2);
  ring.appendTo(all, most);
  return all;
}

test('a ring returns its newest records in their order', () => {
  const ring = createRecentRecords(3, 2);
  for (let i = 0; i < 5; i++) add(ring, i);
  expect(columns(ring)).toEqual({
    timestamps: [2000, 3000, 4000],
    surprise: [2, 3, 4].map((i) => Math.fround(i / 10)),
    threshold: [3, 3, 3],
    actual: [
      [2, 3, 4],
      [-2, -3, -4],
    ],
    expected: [
      [3, 4, 5],
      [-1, -2, -3],
    ],
  });
  expect(columns(ring, 1).timestamps).toEqual([4000]);
});

test('a ring that is not full returns what it has', () => {
  const ring = createRecentRecords(10, 2);
  add(ring, 7);
  expect(columns(ring).actual).toEqual([[7], [-7]]);
});

test('thinning keeps half of the records, and the most surprising of all', () => {
  for (const peak of [0, 3, 8]) {
    const all = emptyColumns(1);
    for (let i = 0; i < 9; i++) {
      all.timestamps.push(i);
      all.surprise.push(i === peak ? 9 : 1);
      all.threshold.push(3);
      all.actual[0]!.push(i);
      all.expected[0]!.push(0);
    }
    const thinned = thin(all);
    expect(thinned.timestamps).toHaveLength(5);
    expect(thinned.surprise).toContain(9);
    expect(thinned.actual[0]).toEqual(thinned.timestamps);
  }
});

test('columns of some channels keep the records', () => {
  const ring = createRecentRecords(3, 2);
  for (let i = 0; i < 3; i++) add(ring, i);
  const one = onlyChannels(columns(ring), [1]);
  expect([one.timestamps.length, one.actual, one.expected]).toEqual([3, [[-0, -1, -2]], [[1, 0, -1]]]);
});

describe('the band', () => {
  /** Errors of ±2, with anomalous records of error 100 among them and after them. */
  function withErrors(normal: number): RecordColumns {
    const all = emptyColumns(1);
    for (let i = 0; i < normal + 20; i++) {
      const isAnomalous = i % 10 === 9 || i >= normal;
      all.timestamps.push(i);
      all.surprise.push(isAnomalous ? 5 : 1);
      all.threshold.push(3);
      all.expected[0]!.push(50);
      all.actual[0]!.push(50 + (isAnomalous ? 100 : i % 2 === 0 ? 2 : -2));
    }
    return all;
  }

  test('is three times the usual error of normal records before the event', () => {
    expect(bandOf(withErrors(60), 60)[0]).toBeCloseTo(6);
  });

  test('does not exist for a few records, nor without expected values', () => {
    expect(bandOf(withErrors(10), 10)).toEqual([NaN]);
    const unknown = withErrors(60);
    unknown.expected[0]!.fill(NaN);
    expect(bandOf(unknown, 60)).toEqual([NaN]);
  });
});

test('an event would begin with a record if it and enough of those before it reach the threshold', () => {
  const ring = createRecentRecords(6, 0);
  const openings = [1, 5, 2, 4, 3, 9, 0, 8].map((above, i) => {
    ring.add(i, above, 3, above, () => undefined);
    return ring.opening(3, 4);
  });
  expect(openings).toEqual([-Infinity, -Infinity, 1, 2, 3, 3, 0, 3]);
});
