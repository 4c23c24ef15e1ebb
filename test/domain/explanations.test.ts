import { createExplanationRule } from '../../src/domain/explanations';

const anomalous = (key: string, surprise: number) => ({ key, surprise, anomalous: true });
const normal = (key: string) => ({ key, surprise: 0, anomalous: false });

test('a run of anomalous records is explained where it begins, and where it has grown tenfold', () => {
  const { isDue } = createExplanationRule({ perSecond: 1, burst: 100 });
  const due = [4, 4.5, 4.9, 5, 5.9, 3, 6].map((surprise) => isDue(anomalous('a', surprise), 0));
  expect(due).toEqual([true, false, false, true, false, false, true]);
});

test('a run ends with a normal record of its own key, not of another', () => {
  const { isDue } = createExplanationRule({ perSecond: 1, burst: 100 });
  expect(isDue(anomalous('a', 4), 0)).toBe(true);
  expect(isDue(normal('b'), 0)).toBe(false);
  expect(isDue(anomalous('a', 4), 0)).toBe(false);
  expect(isDue(normal('a'), 0)).toBe(false);
  expect(isDue(anomalous('a', 4), 0)).toBe(true);
});

test('a fleet that fails at once is explained within the budget, and the rest as the budget grows', () => {
  const { isDue } = createExplanationRule({ perSecond: 2, burst: 3 });
  const explainedAt = (now: number): number =>
    Array.from({ length: 10_000 }, (_, i) => isDue(anomalous(`${i}`, 4), now)).filter(Boolean).length;
  expect(explainedAt(0)).toBe(3);
  expect(explainedAt(499)).toBe(0);
  expect(explainedAt(500)).toBe(1);
  expect(explainedAt(1500)).toBe(2);
  expect(explainedAt(100_000)).toBe(3);
});

test('a budget of nothing explains nothing', () => {
  const { isDue } = createExplanationRule({ perSecond: 0, burst: 0 });
  expect(isDue(anomalous('a', 9), 0)).toBe(false);
});
