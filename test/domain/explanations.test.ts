import { createExplanationRule } from '../../src/domain/explanations';

const anomalous = (key: string, surprise: number) => ({ key, surprise, anomalous: true });
const normal = (key: string) => ({ key, surprise: 0, anomalous: false });

test('a run of anomalous records is explained where it begins, and where it has grown tenfold', () => {
  const { isDue } = createExplanationRule({ share: 0.1, burstMs: 100 });
  const due = [4, 4.5, 4.9, 5, 5.9, 3, 6].map((surprise) => isDue(anomalous('a', surprise), 0));
  expect(due).toEqual([true, false, false, true, false, false, true]);
});

test('a run ends with a normal record of its own key, not of another', () => {
  const { isDue } = createExplanationRule({ share: 0.1, burstMs: 100 });
  expect(isDue(anomalous('a', 4), 0)).toBe(true);
  expect(isDue(normal('b'), 0)).toBe(false);
  expect(isDue(anomalous('a', 4), 0)).toBe(false);
  expect(isDue(normal('a'), 0)).toBe(false);
  expect(isDue(anomalous('a', 4), 0)).toBe(true);
});

test('a fleet that fails at once is explained within the budget, and the rest as the budget grows', () => {
  const { isDue, spent } = createExplanationRule({ share: 0.1, burstMs: 100 });
  const explainedAt = (now: number): number =>
    Array.from({ length: 10_000 }, (_, i) => {
      const due = isDue(anomalous(`${i}`, 4), now);
      if (due) spent(40);
      return due;
    }).filter(Boolean).length;
  expect(explainedAt(0)).toBe(3); // 120 ms: 20 too many
  expect(explainedAt(200)).toBe(0);
  expect(explainedAt(300)).toBe(1);
  expect(explainedAt(100_000)).toBe(3);
  // What has been explained is not due again.
  expect(explainedAt(1e9)).toBe(3);
});

test('over time explanations take no more than their share', () => {
  const { isDue, spent } = createExplanationRule({ share: 0.1, burstMs: 400 });
  let ms = 0;
  for (let now = 0; now < 60_000; now += 7) {
    if (!isDue(anomalous(`${now}`, 4), now)) continue;
    spent(35);
    ms += 35;
  }
  expect(ms).toBeGreaterThan(0.09 * 60_000);
  expect(ms).toBeLessThan(0.1 * 60_000 + 400 + 35);
});

test('a budget of nothing explains nothing', () => {
  const { isDue } = createExplanationRule({ share: 0, burstMs: 0 });
  expect(isDue(anomalous('a', 9), 0)).toBe(false);
});
