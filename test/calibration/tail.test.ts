import fc from 'fast-check';
import {
  fitParetoTail,
  minExcesses,
  tailSurvival,
  withoutEnd,
  type ParetoTail,
} from '../../src/calibration/tail';
import { references } from './genpareto';
import { paretoSample } from './seeded';

describe('the fit', () => {
  test.each([-0.2, 0, 0.2, 0.5])('finds shape %d and its scale again in 8,000 excesses', (shape) => {
    const fitted = fitParetoTail(paretoSample(shape, 3, 8000, 42));
    expect(fitted.method).toBe('maximum-likelihood');
    // Three standard errors: (1 + shape)/√n for the shape (Coles 2001, §4.3).
    expect(Math.abs(fitted.shape - shape)).toBeLessThan((3 * (1 + shape)) / Math.sqrt(8000));
    expect(fitted.scale / 3).toBeCloseTo(1, 1);
  });

  test.each(references)('of $name is that of SciPy', ({ sample, shape, scale }) => {
    const fitted = fitParetoTail(Float64Array.from(sample));
    expect(Math.abs(fitted.shape - shape)).toBeLessThan(1e-3);
    expect(Math.abs(fitted.scale / scale - 1)).toBeLessThan(1e-3);
  });

  test('does not depend on the unit of the scores', () => {
    const excesses = paretoSample(0.3, 1, 500, 1);
    const [one, million] = [fitParetoTail(excesses), fitParetoTail(excesses.map((y) => y * 1e6))];
    expect(million.shape).toBeCloseTo(one.shape, 6);
    expect(million.scale / one.scale / 1e6).toBeCloseTo(1, 6);
  });
});

describe('the tail is exponential, and marked so,', () => {
  test(`for fewer than ${minExcesses} excesses`, () => {
    const excesses = paretoSample(0.2, 1, minExcesses - 1, 3);
    const mean = excesses.reduce((sum, y) => sum + y, 0) / excesses.length;
    expect(fitParetoTail(excesses)).toEqual({
      shape: 0,
      scale: expect.closeTo(mean, 12),
      method: 'exponential',
    });
  });

  test.each([
    ['so heavy that the tail has no mean', paretoSample(1.5, 1, 1000, 3)],
    ['bounded so sharply that the likelihood has no maximum', paretoSample(-1.5, 1, 1000, 3)],
  ])('for a sample %s', (_, excesses) => {
    expect(fitParetoTail(excesses)).toMatchObject({ shape: 0, method: 'exponential' });
  });

  test('for excesses that are all zero', () => {
    const tail = fitParetoTail(new Float64Array(20));
    expect(tail).toMatchObject({ shape: 0, method: 'exponential' });
    expect(tailSurvival(tail, 1)).toBe(0);
  });

  test('for a tail with an end', () => {
    const excesses = paretoSample(-0.2, 1, 1000, 9);
    const fitted = fitParetoTail(excesses);
    expect(tailSurvival(fitted, 10)).toBe(0);
    const cautious = withoutEnd(fitted, excesses);
    expect(cautious.method).toBe('exponential');
    expect(tailSurvival(cautious, 10)).toBeGreaterThan(0);
  });

  test('but not for one without an end', () => {
    const excesses = paretoSample(0.2, 1, 1000, 9);
    const fitted = fitParetoTail(excesses);
    expect(withoutEnd(fitted, excesses)).toBe(fitted);
  });
});

describe('the survival function', () => {
  test('has the values of its formula', () => {
    const method = 'maximum-likelihood';
    expect(tailSurvival({ shape: 0, scale: 2, method }, 4)).toBeCloseTo(Math.exp(-2), 14);
    expect(tailSurvival({ shape: 0.5, scale: 2, method }, 4)).toBeCloseTo(0.25, 14);
    expect(tailSurvival({ shape: -0.5, scale: 2, method }, 2)).toBeCloseTo(0.25, 14);
    expect(tailSurvival({ shape: -0.5, scale: 2, method }, 5)).toBe(0);
  });

  test('begins at 1 and never rises', () => {
    const distance = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        fc.double({ min: -0.5, max: 0.9, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        distance,
        distance,
        (shape, scale, a, b) => {
          const tail: ParetoTail = { shape, scale, method: 'maximum-likelihood' };
          expect(tailSurvival(tail, 0)).toBe(1);
          expect(tailSurvival(tail, Math.max(a, b))).toBeLessThanOrEqual(tailSurvival(tail, Math.min(a, b)));
        },
      ),
    );
  });
});
