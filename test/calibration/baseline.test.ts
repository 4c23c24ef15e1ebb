import fc from 'fast-check';
import { createBaselines, type Baselines } from '../../src/calibration/baseline';
import { seededNormal } from './seeded';

const normal = seededNormal(5);
const base = Float64Array.from({ length: 1000 }, () => normal()).sort();
const policy = { records: 640, maxKeys: 100 };
const create = (): Baselines => createBaselines([base], policy);

function feed(baselines: Baselines, key: string, count: number, value: () => number): number {
  for (let i = 0; i < count; i++) baselines.of(key).observe([value()]);
  return baselines.of(key).above[0]!;
}

test('a device starts at the baseline of calibration, and stays there while it is normal', () => {
  const baselines = create();
  expect(baselines.of('a').above).toEqual([0]);
  expect(feed(baselines, 'a', 5000, normal)).toBeLessThan(0.5);
});

test('a fault shorter than half of the records does not become the baseline', () => {
  expect(feed(create(), 'a', 250, () => 10 + normal())).toBeLessThan(1.5);
});

test('a longer change becomes the baseline, and a return to the old one, too', () => {
  const baselines = create();
  const shifted = feed(baselines, 'a', 700, () => 10 + normal());
  // Ten, but for the part of a factor of two that is never followed.
  expect(shifted).toBeGreaterThan(9);
  expect(shifted).toBeLessThan(10);
  expect(feed(baselines, 'a', 700, normal)).toBeLessThan(0.5);
});

test('after a short calibration the records of a device soon dominate', () => {
  const short = createBaselines([base.filter((_, i) => i % 10 === 0)], policy);
  expect(feed(short, 'a', 150, () => 10 + normal())).toBeGreaterThan(7);
  expect(feed(create(), 'a', 150, () => 10 + normal())).toBeLessThan(1);
});

test('small changes are hardly followed', () => {
  expect(feed(create(), 'a', 2000, () => 0.2 + 0.1 * normal())).toBeLessThan(0.07);
});

test('a lower baseline changes no score', () => {
  expect(feed(create(), 'a', 2000, () => -10 + normal())).toBe(0);
});

test('a statistic without a value does not change the baseline', () => {
  expect(feed(create(), 'a', 2000, () => NaN)).toBe(0);
});

test('devices have separate baselines, and the least recently seen is dropped first', () => {
  const baselines = createBaselines([base], { records: 64, maxKeys: 2 });
  feed(baselines, 'shifted', 200, () => 10);
  expect(baselines.of('other').above).toEqual([0]);
  baselines.of('shifted');
  baselines.of('third');
  expect(baselines.size).toBe(2);
  expect(baselines.of('shifted').above[0]).toBeGreaterThan(9);
});

test('a restored snapshot continues without a difference', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c'),
          // JSON has no −0.
          value: fc.double({ min: -5, max: 50, noNaN: true }).map((value) => value + 0),
        }),
      ),
      fc.nat(),
      (records, cut) => {
        const whole = createBaselines([base], { records: 64, maxKeys: 2 });
        let parts = createBaselines([base], { records: 64, maxKeys: 2 });
        records.forEach(({ key, value }, i) => {
          if (i === cut % Math.max(1, records.length)) {
            const stored = JSON.parse(JSON.stringify(parts.snapshot())) as ReturnType<Baselines['snapshot']>;
            parts = createBaselines([base], { records: 64, maxKeys: 2 }, stored);
          }
          expect([...parts.of(key).above]).toEqual([...whole.of(key).above]);
          whole.of(key).observe([value]);
          parts.of(key).observe([value]);
        });
        expect(parts.snapshot()).toEqual(whole.snapshot());
      },
    ),
  );
});

test('a snapshot with other statistics is refused', () => {
  const snapshot = create().snapshot();
  const baselines = create();
  baselines.of('a');
  expect(() => createBaselines([base, base], policy, baselines.snapshot())).toThrow(/baselines of "a"/);
  expect(createBaselines([base, base], policy, snapshot).size).toBe(0);
});
