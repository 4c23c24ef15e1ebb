import { fitStandard } from '../../src/calibration/evidence';
import { createSections, fitSections } from '../../src/calibration/sections';
import { createSurpriseScale, type SurpriseState } from '../../src/calibration/surprise';
import { createSurprise, fitTail } from '../../src/calibration/tail';
import { seededNormal } from './seeded';

const channels = 500;
const records = 1000;

/** Contributions of ten squares each, as good as normal; those of one channel are shifted by `shift` deviations. */
function contributionsOf(count: number, seed: number, shift = 0): Float64Array {
  const normal = seededNormal(seed);
  return Float64Array.from({ length: count * channels }, (_, i) => {
    const square = i % channels === 123 ? shift ** 2 : 0;
    return Math.max(0.1, 10 * (1 + square) + Math.sqrt(20 + 40 * square) * normal());
  });
}

const share = (values: readonly number[], of: number): number =>
  values.filter((value) => value >= of).length / values.length;

test('a few channels are one section', () => {
  expect(fitSections(new Float64Array(50).fill(1), 5)).toBeUndefined();
  expect(fitSections(new Float64Array(60).fill(1), 6)).toHaveLength(2);
  expect(fitSections(new Float64Array(520).fill(1), 52)).toHaveLength(11);
});

test('every channel is in one section, whose sum is standardised', () => {
  const normal = seededNormal(5);
  const own = Float64Array.from({ length: 7 * 400 }, () => Math.exp(normal()));
  const sections = createSections(fitSections(own, 7)!, 7);
  const median = (from: number, to: number): [number, number] => {
    const logs = Float64Array.from({ length: 400 }, (_, i) =>
      Math.log(own.subarray(7 * i + from, 7 * i + to).reduce((sum, value) => sum + value, 0)),
    );
    const { centre, spread } = fitStandard(logs, 'linear');
    return [centre, spread];
  };
  const [centre, spread] = median(0, 4);
  const [other, otherSpread] = median(4, 7);
  expect(sections([9, 9, 9, 9, 0.1, 0.1, 0.1], 0)).toBeCloseTo((Math.log(36) - centre) / spread, 9);
  expect(sections([0, 0.1, 0.1, 0.1, 0.1, 9, 9, 9], 1)).toBeCloseTo((Math.log(27) - other) / otherSpread, 9);
  expect(sections([0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01], 0)).toBe(0);
  expect(sections([NaN, 1, 1, 1, 9, 9, 9], 0)).toBeCloseTo((Math.log(27) - other) / otherSpread, 9);
});

describe('one channel of five hundred', () => {
  const normal = contributionsOf(records, 2);
  const sections = createSections(fitSections(normal, channels)!, channels);
  const ofRecords = (of: Float64Array): number[] =>
    Array.from({ length: of.length / channels }, (_, i) => sections(of, i * channels));
  const block = Float64Array.from(ofRecords(normal));
  const surprise = createSurprise(fitTail(block));
  const sums = (of: Float64Array): Float64Array =>
    Float64Array.from({ length: of.length / channels }, (_, i) =>
      of.subarray(i * channels, (i + 1) * channels).reduce((sum, value) => sum + value, 0),
    );
  const ofSum = createSurprise(fitTail(sums(normal)));

  test('that shifts by three deviations is found by its section, and drowns in the sum over all', () => {
    const faulty = contributionsOf(200, 3, 3);
    expect(share(ofRecords(faulty).map(surprise), 2.3)).toBeGreaterThan(0.8);
    expect(share(Array.from(sums(faulty), ofSum), 2.3)).toBeLessThan(0.1);
  });

  test('normal records are as rare as their surprise says', () => {
    const of = ofRecords(contributionsOf(records, 4)).map(surprise);
    expect(share(of, 2)).toBeGreaterThan(0.002);
    expect(share(of, 2)).toBeLessThan(0.03);
  });

  test('its surprise ends a decade above what its calibration has seen, and begins in its tail', () => {
    const quiet = Float64Array.from({ length: 1000 }, (_, i) => i / 1000 + 1);
    const tail = fitTail(block);
    const state: SurpriseState = {
      evidence: { reconstruction: fitStandard(quiet, 'log') },
      tail: fitTail(quiet),
      aboveBaseline: fitTail(quiet),
      effectiveSize: 1000,
      extremalIndex: 1,
      sections: tail,
      runs: false,
    };
    const scale = createSurpriseScale(state);
    const of = (value: number, statistic = 1.001) =>
      scale.surpriseOf(
        { statistics: [statistic], slow: 0, sections: value, runs: 0, group: undefined },
        () => 0,
      );
    expect(of(1e9).surprise).toBeCloseTo(Math.log10(records + 1) + 1 + Math.log10(0.02), 9);
    expect(of(1e9).aboveBaseline).toBe(of(1e9).surprise);
    expect(of(tail.foot, 1.5).surprise).toBe(of(0, 1.5).surprise);
  });
});
