import fc from 'fast-check';
import { alarmThreshold, surpriseOf, targetRatio } from '../../src/calibration/threshold';

const hourMs = 3_600_000;

describe('surprise', () => {
  test('is −log10 of the share of such records', () => {
    expect(surpriseOf(0.1)).toBeCloseTo(1, 12);
    expect(surpriseOf(1e-3)).toBeCloseTo(3, 12);
    expect(surpriseOf(1e-300)).toBeCloseTo(300, 9);
  });

  test('of the most common record is 0, and not −0', () => {
    expect(Object.is(surpriseOf(1), 0)).toBe(true);
  });

  test('grows as p falls and is never negative', () => {
    const p = fc.double({ min: 1e-300, max: 1, noNaN: true });
    fc.assert(
      fc.property(p, p, (a, b) => {
        expect(surpriseOf(Math.min(a, b))).toBeGreaterThanOrEqual(surpriseOf(Math.max(a, b)));
        expect(surpriseOf(a)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('a false-alarm target', () => {
  test('that is a ratio does not depend on the record rate', () => {
    expect(targetRatio({ kind: 'ratio', ratio: 1e-4 }, NaN)).toBe(1e-4);
  });

  test('of two a day is one in 43,200 of a record a second', () => {
    expect(targetRatio({ kind: 'rate', count: 2, perMs: 24 * hourMs }, 1 / 1000)).toBeCloseTo(1 / 43_200, 12);
  });

  test('of more alarms than records come is refused, with both numbers', () => {
    expect(() => targetRatio({ kind: 'rate', count: 10, perMs: hourMs }, 5 / hourMs)).toThrow(
      'calibration.falseAlarmTarget asks for 10 in 3600 s, but only 5.00 records come in that time',
    );
  });

  test.each([NaN, 0, Infinity])(
    'as a rate is refused when records come at %d a millisecond',
    (recordsPerMs) => {
      expect(() => targetRatio({ kind: 'rate', count: 1, perMs: hourMs }, recordsPerMs)).toThrow(RangeError);
    },
  );
});

describe('the threshold', () => {
  const of = (ratio: number, effectiveSize: number) =>
    alarmThreshold(
      { kind: 'ratio', ratio },
      { recordsPerMs: 1, calibration: { effectiveSize, extremalIndex: 1 } },
    );

  test('rests on calibration records if one is expected beyond it', () => {
    expect(of(0.01, 1000)).toEqual({
      ratio: 0.01,
      surprise: 2,
      eventBar: { margin: 0, lasting: 0 },
      extrapolated: false,
    });
    expect(of(0.001, 99)).toMatchObject({ surprise: 3, extrapolated: true });
  });

  test('that is too rare for the calibration is refused with the rarest possible one', () => {
    expect(() => of(1e-7, 99)).toThrow(/worth 99 independent ones support 0.0000010 and more/);
    expect(of(1e-5, 99).extrapolated).toBe(true);
  });

  const version = { recordsPerMs: 1, calibration: { effectiveSize: 1000, extremalIndex: 0.1 } };

  test('of a rate counts clusters, as an alarm is one', () => {
    expect(alarmThreshold({ kind: 'rate', count: 1, perMs: 1000 }, version).surprise).toBeCloseTo(2, 10);
    expect(alarmThreshold({ kind: 'rate', count: 100, perMs: 1000 }, version).ratio).toBe(0.1);
  });

  test('leaves to the budget what it opens: clusters above the margin are as rare as the budget', () => {
    const at = (eventsPerMs?: number) =>
      alarmThreshold({ kind: 'ratio', ratio: 0.01 }, version, eventsPerMs).eventBar;
    expect(at(1e-5).margin).toBeCloseTo(2, 10);
    expect(at(0.01).margin).toBe(0);
    expect(at().margin).toBe(0);
  });

  test('an event lasts for long if it has as many anomalous records as normal ones give in the time of one event', () => {
    // One record in a hundred, one event in 100,000.
    const { lasting } = alarmThreshold({ kind: 'ratio', ratio: 0.01 }, version, 1e-5).eventBar;
    expect(10 ** lasting).toBeCloseTo(1000, 6);
  });
});
