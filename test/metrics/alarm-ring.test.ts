import fc from 'fast-check';
import { createAlarmRing } from '../../src/metrics/alarm-ring';

test('an empty ring has no ratio', () => {
  expect(createAlarmRing(3).ratio()).toBeUndefined();
});

test('the ratio is the share among the newest records', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      (all, capacity) => {
        const ring = createAlarmRing(capacity);
        all.forEach((anomalous) => ring.add(anomalous));
        const newest = all.slice(-capacity);
        expect(ring.ratio()).toBe(newest.filter(Boolean).length / newest.length);
      },
    ),
  );
});
