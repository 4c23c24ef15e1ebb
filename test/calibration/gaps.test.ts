import { createGapCounter, createSilenceScale, type GapStatistics } from '../../src/calibration/gaps';
import { seededUniform } from './seeded';

function statisticsOf(gaps: readonly number[]): GapStatistics {
  const counter = createGapCounter();
  for (const gap of gaps) counter.add(gap);
  return counter.statistics()!;
}

const regular = Array.from({ length: 99_990 }, () => 1);

test('a silence that is longer than all gaps of history has the surprise of a power law', () => {
  const { surpriseAt } = createSilenceScale(statisticsOf([...regular, 2, 3, 5]));
  const atLongest = 5 - Math.log10(50) + Math.log10((99_993 + 1) / 1e5);
  expect(surpriseAt(5.001)).toBeCloseTo(atLongest, 3);
  expect(surpriseAt(50)).toBeCloseTo(atLongest + 2, 6);
  expect(surpriseAt(500)).toBeCloseTo(atLongest + 4, 6);
});

test('a silence shorter than the longest gap counts the gaps that were as long', () => {
  const { surpriseAt } = createSilenceScale(statisticsOf([...regular, 4, 5, 6, 7, 8, 9]));
  // Four gaps of at least six.
  expect(surpriseAt(6)).toBeCloseTo(Math.log10(99_997 / 5) - Math.log10(50), 9);
  expect(surpriseAt(9)).toBeCloseTo(Math.log10(99_997 / 2) - Math.log10(50), 9);
});

test('one or two lost records are no silence, however regular the device is', () => {
  const { surpriseAt, lengthAt } = createSilenceScale(statisticsOf(regular));
  expect(surpriseAt(2.9)).toBe(0);
  expect(lengthAt(1)).toBe(3);
});

test('few gaps say little: the required silence is many times the longest one', () => {
  const { lengthAt } = createSilenceScale(statisticsOf(Array.from({ length: 99 }, () => 1)));
  // p = 0.02 × 10^-3, a hundredth of what a hundred gaps show, with the floor of three intervals.
  expect(lengthAt(3)).toBeCloseTo(3 * Math.sqrt(500), 6);
});

test('the required silence is the shortest that has its surprise', () => {
  const uniform = seededUniform(4);
  for (let run = 0; run < 60; run++) {
    const size = Math.ceil(10 ** (1 + 3.5 * uniform()));
    const gaps = Array.from({ length: size }, () => (uniform() < 0.9 ? 1 : 1 / (1 - uniform())));
    const { surpriseAt, lengthAt } = createSilenceScale(statisticsOf(gaps));
    const surprise = 0.3 + 6 * uniform();
    const shortest = lengthAt(surprise);
    expect(surpriseAt(shortest * 1.001)).toBeGreaterThanOrEqual(surprise - 1e-3);
    if (shortest > 3.001) expect(surpriseAt(shortest * 0.999)).toBeLessThan(surprise + 1e-3);
  }
});

test('of more gaps than are kept, the shorter ones are counted', () => {
  const uniform = seededUniform(5);
  const gaps = Array.from({ length: 100_000 }, () => 1 / (1 - uniform()));
  const statistics = statisticsOf(gaps);
  const sorted = [...gaps].sort((a, b) => b - a);
  expect(statistics.count).toBe(100_000);
  expect(statistics.longest).toHaveLength(1000);
  expect(statistics.longest[999]).toBeCloseTo(sorted[999]!, -1);
  const { surpriseAt } = createSilenceScale(statistics);
  const above = sorted[500]! * 1.0005;
  const count = gaps.filter((gap) => gap >= above).length;
  expect(surpriseAt(above)).toBeCloseTo(Math.log10(100_001 / (1 + count)) - Math.log10(50), 2);
  // Shorter ones are not known one by one.
  expect(surpriseAt(sorted[1500]!)).toBe(0);
});

test('no gap, no statistics', () => {
  expect(createGapCounter().statistics()).toBeUndefined();
});
