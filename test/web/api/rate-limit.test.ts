import { createRateLimit } from '../../../src/web/api/rate-limit';

test('a burst is followed by the rate, and a pause refills it', () => {
  let ms = 0;
  const limit = createRateLimit({ perSecond: 2, burst: 3 }, () => ms);
  const take = (times: number): number =>
    Array.from({ length: times }, () => limit.take()).filter(Boolean).length;
  expect(take(10)).toBe(3);
  ms += 500;
  expect(take(10)).toBe(1);
  ms += 60_000;
  expect(take(10)).toBe(3);
});
