import { createRecordRate } from '../../src/runtime/record-rate';

test('the rate is that of the last half minute, and of less after the start', () => {
  let ms = 0;
  const rate = createRecordRate(() => ms);
  rate.add(10);
  expect(rate.perSecond()).toBe(10);
  for (let i = 1; i < 40; i++) {
    ms += 1000;
    rate.add(20);
  }
  expect(rate.perSecond()).toBe(20);
  ms += 15_000;
  expect(rate.perSecond()).toBe(10);
  ms += 3_600_000;
  expect(rate.perSecond()).toBe(0);
});
