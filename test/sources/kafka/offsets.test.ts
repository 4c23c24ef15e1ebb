import fc from 'fast-check';
import {
  firstOffsetToRead,
  findStart,
  keepBlocks,
  keepNewest,
  keepPartitions,
  missingBetween,
} from '../../../src/sources/kafka/offsets';

const none = { committed: -1n, known: undefined };
const at = (position: bigint) => ({ position, committed: true });

describe('findStart', () => {
  test('a group without an offset begins at `startFrom`', () => {
    const bounds = { low: 5n, high: 50n };
    const processedBefore = { processedBefore: false, missing: 0n, restarted: false };
    expect(findStart({ ...bounds, ...none }, { startFrom: 'earliest' })).toEqual({
      liveFrom: 5n,
      ...processedBefore,
    });
    expect(findStart({ ...bounds, ...none }, { startFrom: 'latest' })).toEqual({
      liveFrom: 50n,
      ...processedBefore,
    });
  });

  test('continues at the offset of the group, or of this process if that is later', () => {
    const bounds = { low: 0n, high: 50n };
    const place = (committed: bigint, position?: bigint) =>
      findStart(
        { ...bounds, committed, known: position === undefined ? undefined : at(position) },
        { startFrom: 'latest' },
      );
    expect(place(30n)).toMatchObject({ liveFrom: 30n, processedBefore: true });
    expect(place(40n, 40n)).toMatchObject({ liveFrom: 40n, processedBefore: true });
    expect(place(30n, 40n)).toMatchObject({ liveFrom: 40n, processedBefore: true });
    expect(place(45n, 40n)).toMatchObject({ liveFrom: 45n, processedBefore: true });
  });

  test('counts messages that retention has removed', () => {
    const facts = { low: 30n, high: 50n, committed: 10n, known: undefined };
    expect(findStart(facts, { startFrom: 'latest' })).toEqual({
      liveFrom: 30n,
      processedBefore: true,
      missing: 20n,
      restarted: false,
    });
  });

  test('an offset beyond the end means that the topic was recreated or truncated', () => {
    const facts = { low: 0n, high: 5n, committed: 10n, known: at(10n) };
    expect(findStart(facts, { startFrom: 'earliest' })).toEqual({
      liveFrom: 0n,
      processedBefore: true,
      missing: 0n,
      restarted: true,
    });
    expect(findStart(facts, { startFrom: 'latest' })).toMatchObject({ liveFrom: 5n, restarted: true });
  });

  test('a group that has lost its offset had it in another topic of that name: all of this one is new', () => {
    const bounds = { low: 0n, high: 90n, committed: -1n };
    const settings = { startFrom: 'latest' } as const;
    expect(findStart({ ...bounds, known: at(10n) }, settings)).toMatchObject({
      liveFrom: 0n,
      restarted: true,
    });
    // A group that kafkajs has reset is no such sign.
    expect(findStart({ ...bounds, committed: -2n, known: at(10n) }, settings)).toMatchObject({
      liveFrom: 10n,
      restarted: false,
    });
    expect(findStart({ ...bounds, low: 15n, committed: -2n, known: at(10n) }, settings)).toMatchObject({
      liveFrom: 15n,
      missing: 5n,
      restarted: false,
    });
    // What could not be committed yet is no such sign.
    expect(findStart({ ...bounds, known: { position: 10n, committed: false } }, settings)).toMatchObject({
      liveFrom: 10n,
      restarted: false,
    });
  });

  test('after a reset by kafkajs nothing that is left is skipped', () => {
    const facts = { low: 7n, high: 50n, committed: -2n, known: undefined };
    expect(findStart(facts, { startFrom: 'latest' })).toMatchObject({ liveFrom: 7n, processedBefore: true });
  });

  test('firstOffsetToRead is after the stored state, or else `warmUpRecords` earlier, within the log', () => {
    expect(firstOffsetToRead(40n, 0n, 25n, 10)).toBe(26n);
    expect(firstOffsetToRead(40n, 0n, 39n, 10)).toBe(40n);
    expect(firstOffsetToRead(40n, 30n, 25n, 10)).toBe(30n);
    expect(firstOffsetToRead(40n, 0n, -1n, 10)).toBe(0n);
    expect(firstOffsetToRead(40n, 0n, undefined, 10)).toBe(30n);
    expect(firstOffsetToRead(40n, 35n, undefined, 10)).toBe(35n);
    expect(firstOffsetToRead(4n, 0n, undefined, 10)).toBe(0n);
  });

  test('for every partition: reads inside the log, and skips nothing that is there', () => {
    const offset = fc.bigInt({ min: 0n, max: 200n });
    fc.assert(
      fc.property(
        fc.record({ low: offset, length: offset, committed: fc.bigInt({ min: -2n, max: 400n }) }),
        fc.option(fc.record({ position: offset, committed: fc.boolean() }), { nil: undefined }),
        fc.nat(50),
        fc.constantFrom('earliest', 'latest'),
        ({ low, length, committed }, known, warmUpRecords, startFrom) => {
          const high = low + length;
          const place = findStart({ low, high, committed, known }, { startFrom });
          expect(place.liveFrom).toBeGreaterThanOrEqual(low);
          expect(place.liveFrom).toBeLessThanOrEqual(high);
          const from = firstOffsetToRead(place.liveFrom, low, undefined, warmUpRecords);
          expect(from).toBeGreaterThanOrEqual(low);
          expect(place.liveFrom - from).toBeGreaterThanOrEqual(0n);
          expect(place.liveFrom - from).toBeLessThanOrEqual(BigInt(warmUpRecords));
          if (committed >= 0n && !place.restarted) {
            const reached = known !== undefined && known.position > committed ? known.position : committed;
            expect(place.liveFrom - place.missing).toBe(reached);
          }
        },
      ),
    );
  });
});

test.each([
  ['retention took everything up to the first', 10n, 30n, 30n, 20n],
  ['a hole in the log is nothing lost', 10n, 30n, 0n, 0n],
  ['retention took a part, a hole the rest', 10n, 30n, 15n, 5n],
  ['nothing between', 10n, 10n, 10n, 0n],
])('missingBetween: %s', (_, next, first, low, missing) => {
  expect(missingBetween(next, first, low)).toBe(missing);
});

describe('keepNewest', () => {
  test('takes all when there are not too many, and drops empty partitions', () => {
    const full = { partition: 0, start: 5n, end: 9n };
    expect(keepNewest([full, { partition: 1, start: 3n, end: 3n }], 4)).toEqual([full]);
  });

  test('shares the limit in proportion and keeps the end', () => {
    expect(
      keepNewest(
        [
          { partition: 0, start: 0n, end: 300n },
          { partition: 1, start: 100n, end: 200n },
        ],
        40,
      ),
    ).toEqual([
      { partition: 0, start: 270n, end: 300n },
      { partition: 1, start: 190n, end: 200n },
    ]);
  });

  test('never takes more than the limit', () => {
    const ranges = fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { maxLength: 8 });
    fc.assert(
      fc.property(ranges, fc.nat(500), (sizes, limit) => {
        const all = sizes.map(([start, length], partition) => ({
          partition,
          start: BigInt(start),
          end: BigInt(start + length),
        }));
        const kept = keepNewest(all, limit).reduce((sum, { start, end }) => sum + Number(end - start), 0);
        expect(kept).toBeLessThanOrEqual(limit);
        expect(kept).toBeGreaterThan(
          Math.min(
            limit,
            sizes.reduce((sum, [, length]) => sum + length, 0),
          ) - 9,
        );
      }),
    );
  });
});

describe('keepPartitions', () => {
  const ranges = Array.from({ length: 100 }, (_, partition) => ({ partition, start: 0n, end: 9n }));
  const numbers = (count: number) => keepPartitions(ranges, count).map(({ partition }) => partition);

  test('takes all when there are no more, and else as many as are wanted, in order', () => {
    expect(keepPartitions(ranges, 100)).toEqual(ranges);
    expect(keepPartitions(ranges, Infinity)).toEqual(ranges);
    for (const count of [1, 7, 99]) {
      expect(numbers(count)).toHaveLength(count);
      expect(numbers(count)).toEqual([...numbers(count)].sort((a, b) => a - b));
    }
  });

  test('a smaller number is part of a larger one, and each is spread over all', () => {
    for (let count = 1; count < 100; count++) {
      expect(numbers(count + 1)).toEqual(expect.arrayContaining(numbers(count)));
      const edges = [...numbers(count), 100];
      const gaps = edges.map((edge, i) => edge - (edges[i - 1] ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(Math.ceil(300 / count));
    }
  });
});

describe('keepBlocks', () => {
  const range = (partition: number, start: number, end: number) => ({
    partition,
    start: BigInt(start),
    end: BigInt(end),
  });

  test('one is the newest stretch, and where all may be read all is', () => {
    const ranges = [range(0, 0, 100), range(1, 50, 100)];
    expect(keepBlocks(ranges, 30, 1)).toEqual(keepNewest(ranges, 30));
    expect(keepBlocks(ranges, 150, 10)).toEqual(ranges);
  });

  test('several lie one in each part of the history, and the newest message is in the last', () => {
    const kept = keepBlocks([range(0, 1_000, 11_000)], 1_000, 10);
    expect(kept).toHaveLength(10);
    kept.forEach(({ start, end }, i) => {
      expect(end - start).toBe(100n);
      expect(start).toBeGreaterThanOrEqual(BigInt(1_000 + i * 1_000));
      expect(end).toBeLessThanOrEqual(BigInt(2_000 + i * 1_000));
    });
    expect(kept.at(-1)!.end).toBe(11_000n);
    // They keep no time: no two are at the same place of their part.
    expect(new Set(kept.map(({ start }) => (start - 1_000n) % 1_000n)).size).toBe(10);
  });

  test('the last is no longer than the others, whatever rounding does', () => {
    const kept = keepBlocks([range(0, 0, 990)], 7, 7);
    expect(kept.map(({ start, end }) => end - start)).toEqual(new Array(7).fill(1n));
  });

  test('ascend without touching, within the limit', () => {
    const size = fc.integer({ min: 0, max: 5_000 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(size, size), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.integer({ min: 1, max: 40 }),
        (sizes, maxRecords, blocks) => {
          const ranges = sizes.map(([start, length], partition) => range(partition, start, start + length));
          const kept = keepBlocks(ranges, maxRecords, blocks);
          const count = kept.reduce((sum, { start, end }) => sum + Number(end - start), 0);
          expect(count).toBeLessThanOrEqual(maxRecords);
          for (const { partition, start, end } of ranges) {
            let at = start;
            for (const one of kept.filter((other) => other.partition === partition)) {
              expect(one.start).toBeGreaterThanOrEqual(at);
              expect(one.end).toBeGreaterThan(one.start);
              expect(one.end).toBeLessThanOrEqual(end);
              at = one.end;
            }
          }
        },
      ),
    );
  });
});
