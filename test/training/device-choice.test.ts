import fc from 'fast-check';
import { createDeviceChoice } from '../../src/training/device-choice';

/** The devices that are chosen of these records, and how many records of the others were kept on the way at most. */
function choose(keys: readonly string[], maxRecords: number, slack = 0, most = Infinity) {
  const choice = createDeviceChoice(most);
  const kept = new Map<string, number>();
  let largest = 0;
  for (const key of keys) {
    if (choice.add(key)) kept.set(key, (kept.get(key) ?? 0) + 1);
    for (const dropped of choice.fit(maxRecords, slack)) kept.delete(dropped);
    largest = Math.max(largest, sum(kept.values()));
  }
  for (const dropped of choice.fit(maxRecords)) kept.delete(dropped);
  return { kept, largest, choice };
}
const sum = (counts: Iterable<number>): number => [...counts].reduce((total, count) => total + count, 0);
const inTurns = (devices: number, rounds: number): string[] =>
  Array.from({ length: devices * rounds }, (_, i) => `pump-${i % devices}`);

test('all devices are chosen where their records fit', () => {
  const { kept, choice } = choose(inTurns(50, 4), 200);
  expect(kept.size).toBe(50);
  expect(choice).toMatchObject({ recordShare: 1, deviceShare: 1 });
});

test('a chosen device has all of its records, and the limit is used', () => {
  const { kept, choice } = choose(inTurns(1000, 10), 500);
  expect(new Set(kept.values())).toEqual(new Set([10]));
  expect(kept.size).toBe(50);
  expect(choice.recordShare).toBeCloseTo(0.05);
  expect(choice.deviceShare).toBeGreaterThan(0.03);
  expect(choice.deviceShare).toBeLessThan(0.07);
});

test('keys that differ in their last digit alone are spread', () => {
  const { kept } = choose(inTurns(1000, 1), 100);
  const numbers = [...kept.keys()].map((key) => Number(key.slice(5)));
  for (const from of [0, 250, 500, 750])
    expect(numbers.filter((n) => n >= from && n < from + 250).length).toBeGreaterThan(10);
});

test('a device that leaves no room for others is left out, and they are not', () => {
  const keys = [...inTurns(40, 5), ...Array.from({ length: 400 }, () => 'gateway')];
  const { kept, largest } = choose(keys, 500, 0, 250);
  expect(kept.has('gateway')).toBe(false);
  expect(kept.size).toBe(40);
  expect(largest).toBeLessThanOrEqual(500);
});

test('the choice depends neither on the order of the devices nor on when records are dropped; memory is bounded', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(
      counts,
      fc.integer({ min: 10, max: 200 }),
      fc.nat(50),
      fc.infiniteStream(fc.nat(1e6)),
      (sizes, limit, slack, draws) => {
        const keys = sizes.flatMap((size, d) => Array.from({ length: size }, () => `device ${d}`));
        const shuffled = keys
          .map((key) => [draws.next().value!, key] as const)
          .sort(([a], [b]) => a - b)
          .map(([, key]) => key);
        const one = choose(keys, limit, 0, limit / 2);
        const other = choose(shuffled, limit, slack, limit / 2);
        expect(new Map([...other.kept].sort())).toEqual(new Map([...one.kept].sort()));
        expect(sum(one.kept.values())).toBeLessThanOrEqual(limit);
        expect(other.largest).toBeLessThanOrEqual(limit + slack + 1);
        for (const [key, count] of one.kept) expect(count).toBe(sizes[Number(key.split(' ')[1])]);
      },
    ),
  );
});
