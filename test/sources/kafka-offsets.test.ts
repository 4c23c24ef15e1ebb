import fc from 'fast-check';
import { keepNewest, missingBetween, planStart } from '../../src/sources/kafka-offsets';

const settings = { startFrom: 'earliest', rewindRecords: 10 } as const;
const none = { committed: -1n, position: undefined };

describe('planStart', () => {
  test('a group without a place begins where the settings say', () => {
    expect(planStart({ low: 5n, high: 50n, ...none }, settings)).toMatchObject({
      from: 5n,
      liveFrom: 5n,
      missing: 0n,
    });
    expect(planStart({ low: 5n, high: 50n, ...none }, { ...settings, startFrom: 'latest' })).toMatchObject({
      from: 40n,
      liveFrom: 50n,
    });
  });

  test('rewinds from the committed offset, never below what the broker has', () => {
    const known = { high: 50n, committed: 30n, position: undefined };
    expect(planStart({ low: 0n, ...known }, settings)).toMatchObject({ from: 20n, liveFrom: 30n });
    expect(planStart({ low: 25n, ...known }, settings)).toMatchObject({ from: 25n, liveFrom: 30n });
  });

  test('goes on without a refill where nobody else has moved on', () => {
    const known = { low: 0n, high: 50n, position: 40n };
    expect(planStart({ ...known, committed: 40n }, settings)).toMatchObject({ from: 40n, liveFrom: 40n });
    expect(planStart({ ...known, committed: 30n }, settings)).toMatchObject({ from: 40n, liveFrom: 40n });
    expect(planStart({ ...known, committed: 45n }, settings)).toMatchObject({ from: 35n, liveFrom: 45n });
  });

  test('goes back behind what is stored, so that windows are full when the rest is read again', () => {
    const known = { low: 0n, high: 50n, committed: 40n, position: undefined };
    expect(planStart({ ...known, stored: 25n }, settings)).toMatchObject({ from: 16n, liveFrom: 40n });
    expect(planStart({ ...known, stored: -1n }, settings)).toMatchObject({ from: 0n, liveFrom: 40n });
    expect(planStart({ ...known, low: 30n, stored: 25n }, settings)).toMatchObject({ from: 30n });
    // Of a topic that was made anew, or of a group that was set back.
    expect(planStart({ ...known, stored: 90n }, settings)).toMatchObject({ from: 30n, liveFrom: 40n });
    // What is here goes on; what is stored is older.
    expect(planStart({ ...known, position: 40n, stored: 25n }, settings)).toMatchObject({ from: 40n });
    // Given up on.
    const far = { low: 0n, high: 5_000_000n, committed: 4_000_000n, position: undefined };
    expect(planStart({ ...far, stored: 25n }, settings)).toMatchObject({ from: 3_999_990n });
  });

  test('counts what retention has taken', () => {
    expect(planStart({ low: 30n, high: 50n, committed: 10n, position: undefined }, settings)).toEqual({
      from: 30n,
      liveFrom: 30n,
      missing: 20n,
      restarted: false,
    });
  });

  test('a place beyond the end means that the topic was made anew', () => {
    expect(planStart({ low: 0n, high: 5n, committed: 10n, position: 10n }, settings)).toEqual({
      from: 0n,
      liveFrom: 0n,
      missing: 0n,
      restarted: true,
    });
  });

  test('after a reset by kafkajs nothing that is left is skipped', () => {
    const known = { low: 7n, high: 50n, committed: -2n, position: undefined };
    expect(planStart(known, { ...settings, startFrom: 'latest' })).toMatchObject({ from: 7n, liveFrom: 7n });
  });

  test('for every partition: reads inside the log, refills at most as told, and skips nothing that is there', () => {
    const offset = fc.bigInt({ min: 0n, max: 200n });
    fc.assert(
      fc.property(
        fc.record({ low: offset, length: offset, committed: fc.bigInt({ min: -2n, max: 400n }) }),
        fc.option(offset, { nil: undefined }),
        fc.nat(50),
        fc.constantFrom('earliest', 'latest'),
        ({ low, length, committed }, position, rewindRecords, startFrom) => {
          const high = low + length;
          const plan = planStart({ low, high, committed, position }, { startFrom, rewindRecords });
          expect(plan.from).toBeGreaterThanOrEqual(low);
          expect(plan.liveFrom).toBeLessThanOrEqual(high);
          expect(plan.liveFrom - plan.from).toBeGreaterThanOrEqual(0n);
          expect(plan.liveFrom - plan.from).toBeLessThanOrEqual(BigInt(rewindRecords));
          if (committed >= 0n && !plan.restarted) {
            const reached = position !== undefined && position > committed ? position : committed;
            expect(plan.liveFrom - plan.missing).toBe(reached);
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
