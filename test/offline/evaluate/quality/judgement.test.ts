import fc from 'fast-check';
import { alarmRatio } from '../../../../src/offline/evaluate/quality/alarm-ratio';
import { judge, type JudgedSeries } from '../../../../src/offline/evaluate/quality/judgement';
import { averagePrecision, rocAuc } from '../../../../src/offline/evaluate/quality/ranking';
import { segmentsOf, widened } from '../../../../src/offline/evaluate/quality/segments';
import { volumesUnderSurface, volumeUnderSurface } from '../../../../src/offline/evaluate/quality/vus';

const bits = (text: string): Uint8Array => Uint8Array.from(text, Number);
const numbers = (...values: number[]): Float64Array => Float64Array.from(values);

describe('ranking', () => {
  test('of four pairs of an anomalous and a normal record three are in order: 0.75', () => {
    expect(rocAuc(bits('0011'), numbers(0.1, 0.4, 0.35, 0.8))).toBe(0.75);
  });

  test('ties count half, wherever they stand', () => {
    expect(rocAuc(bits('0101'), numbers(1, 1, 1, 1))).toBe(0.5);
    expect(rocAuc(bits('1010'), numbers(1, 1, 1, 0))).toBe(0.75);
  });

  test('average precision: ½·1 + ½·⅔', () => {
    expect(averagePrecision(bits('0011'), numbers(0.1, 0.4, 0.35, 0.8))).toBeCloseTo(0.5 + 1 / 3, 12);
  });

  test('average precision of one score for all is the share of anomalous records', () => {
    expect(averagePrecision(bits('1000'), numbers(7, 7, 7, 7))).toBe(0.25);
  });

  test('with one kind of record only there is nothing to rank', () => {
    expect(rocAuc(bits('00'), numbers(1, 2))).toBeNaN();
    expect(rocAuc(bits('11'), numbers(1, 2))).toBeNaN();
    expect(averagePrecision(bits('00'), numbers(1, 2))).toBeNaN();
  });
});

describe('segments', () => {
  test('runs of ones, with both ends', () => {
    expect(segmentsOf(bits('1011001'))).toEqual([
      { first: 0, last: 0 },
      { first: 2, last: 3 },
      { first: 6, last: 6 },
    ]);
    expect(segmentsOf(bits('000'))).toEqual([]);
  });

  test('widened, they end with the series, and those that touch are one', () => {
    const series = { first: 0, last: 9, segments: segmentsOf(bits('1000100001')) };
    expect(widened(series, 1)).toEqual([
      { first: 0, last: 1 },
      { first: 3, last: 5 },
      { first: 8, last: 9 },
    ]);
    expect(widened(series, 2)).toEqual([
      { first: 0, last: 6 },
      { first: 7, last: 9 },
    ]);
    expect(widened(series, 3)).toEqual([{ first: 0, last: 9 }]);
  });
});

describe('volume under the surfaces', () => {
  test('a perfect score has volumes of 1', () => {
    const labels = bits('0001110000');
    expect(volumeUnderSurface(labels, Float64Array.from(labels), 0)).toEqual({ roc: 1, precisionRecall: 1 });
  });

  test('three records, the alarm one record early: ½ without a buffer, and with one of 2 what half a point is worth', () => {
    const [labels, scores] = [bits('010'), numbers(3, 2, 1)];
    expect(volumeUnderSurface(labels, scores, 1)).toEqual({ roc: 0.5, precisionRecall: 0.5 });
    // At buffer 2 the neighbours weigh √½: recall .5224, 1, 1 at false ratios .1779, .1779, .4531.
    const { roc, precisionRecall } = volumeUnderSurface(labels, scores, 2);
    expect(roc).toBeCloseTo((0.5 + 0.5 + 0.8686) / 3, 4);
    expect(precisionRecall).toBeCloseTo((0.5 + 0.5 + 0.7771) / 3, 4);
  });

  test('a score two records late has a larger volume with a buffer than without', () => {
    const labels = bits('000001110000000');
    const late = Float64Array.from(bits('000000011100000'));
    const narrow = volumeUnderSurface(labels, late, 0);
    const wide = volumeUnderSurface(labels, late, 6);
    expect(wide.precisionRecall).toBeGreaterThan(narrow.precisionRecall);
    expect(wide.roc).toBeGreaterThan(narrow.roc);
  });

  test('a buffer ends with its device', () => {
    const [labels, scores] = [bits('000111000000'), numbers(0, 0, 1, 3, 4, 5, 9, 9, 0, 1, 0, 1)];
    const devices = [
      { first: 0, last: 5 },
      { first: 6, last: 11 },
    ];
    const [alone] = volumesUnderSurface(labels, scores, [4], devices);
    // The second device has the two largest scores: they are right next to the anomaly of the first one only by the order.
    expect(alone!.precisionRecall).toBeLessThan(volumeUnderSurface(labels, scores, 4).precisionRecall);
    expect(alone).toEqual(
      volumesUnderSurface(
        bits('000000000111'),
        Float64Array.of(...scores.subarray(6), ...scores.subarray(0, 6)),
        [4],
        devices,
      )[0],
    );
  });

  test('without an anomaly there is none', () => {
    expect(volumeUnderSurface(bits('000'), numbers(1, 2, 3), 10)).toEqual({
      roc: NaN,
      precisionRecall: NaN,
    });
  });
});

describe('judge', () => {
  const series: JudgedSeries = {
    name: 'a',
    labels: bits('0011000110'),
    scores: numbers(0, 1, 2, 9, 0, 8, 0, 1, 2, 0),
    flags: bits('0001010000'),
  };

  test('flags: 1 right, 1 false, 3 missed, 5 left in peace; one of two anomalies, found one record late', () => {
    expect(judge([series]).series['a']).toMatchObject({
      records: 10,
      anomalousRatio: 0.4,
      truePositives: 1,
      trueNegatives: 5,
      falsePositives: 1,
      falseNegatives: 3,
      precision: 0.5,
      recall: 0.25,
      f1: 1 / 3,
      far: expect.closeTo(100 / 6, 12) as number,
      mar: 75,
      events: 2,
      eventRecall: 0.5,
      delay: 1,
    });
  });

  test('a flag on one record of a long anomaly does not make the others found', () => {
    const labels = bits('0111111110');
    const flags = bits('0000000010');
    const { f1, recall } = judge([{ ...series, labels, flags }]).macro;
    expect(recall).toBe(1 / 8);
    expect(f1).toBeCloseTo(2 / 9, 12);
  });

  test('records of two devices are judged alike in turn and one device after the other', () => {
    const [labels, flags] = [bits('001100000000'), bits('000110000000')];
    const scores = numbers(0, 1, 2, 9, 8, 0, 0, 1, 0, 3, 0, 0);
    const keys = Array.from({ length: 12 }, (_, i) => (i < 6 ? 'a' : 'b'));
    const inTurn = [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11];
    const one = { name: 'x', labels, flags, scores, keys };
    const other = {
      name: 'x',
      labels: Uint8Array.from(inTurn, (i) => labels[i]!),
      flags: Uint8Array.from(inTurn, (i) => flags[i]!),
      scores: Float64Array.from(inTurn, (i) => scores[i]!),
      keys: inTurn.map((i) => keys[i]!),
    };
    expect(judge([other])).toEqual(judge([one]));
    expect(judge([other]).macro).toMatchObject({ eventRecall: 1, delay: 1 });
  });

  test('macro is the mean over the series where a metric is defined, micro counts records', () => {
    const quiet: JudgedSeries = {
      name: 'b',
      labels: bits('0000'),
      scores: numbers(1, 2, 3, 4),
      flags: bits('0100'),
    };
    const { macro, micro, series: bySeries } = judge([series, quiet]);
    expect(bySeries['b']!.rocAuc).toBeNaN();
    expect(macro.rocAuc).toBe(bySeries['a']!.rocAuc);
    expect(macro.far).toBeCloseTo((100 / 6 + 25) / 2, 12);
    expect(micro.far).toBe(20);
    expect(micro.flagAllF1).toBeCloseTo(8 / 18, 12);
  });

  test('columns that do not match and scores that are not finite are errors that name the series', () => {
    expect(() => judge([{ ...series, flags: bits('01') }])).toThrow(
      'series "a": 10 labels, 10 scores, 2 flags',
    );
    const scores = series.scores.with(3, Infinity);
    expect(() => judge([{ ...series, scores }])).toThrow('series "a": the score of record 3 is Infinity');
  });
});

/** The mean over the buffers, with a whole pass over the records for each of 250 thresholds. */
function volumeByDefinition(labels: Uint8Array, scores: Float64Array, maxBuffer: number) {
  const n = labels.length;
  const sorted = [...scores].sort((a, b) => b - a);
  const sum = { roc: 0, precisionRecall: 0 };
  for (let buffer = 0; buffer <= maxBuffer; buffer++) {
    const half = Math.floor(buffer / 2);
    const weights = Float64Array.from(labels);
    for (const { first, last } of segmentsOf(labels))
      for (let i = 0; i < n; i++) {
        const distance = i < first ? first - i : i - last;
        if (distance > 0 && distance <= half) weights[i]! += Math.sqrt(1 - distance / buffer);
      }
    const regions = widened({ first: 0, last: n - 1, segments: segmentsOf(labels) }, half);
    const anomalous = labels.filter((label) => label === 1).length;
    const points = [{ recall: 0, falseRatio: 0, precision: 1 }];
    for (let k = 0; k < 250; k++) {
      const value = sorted[Math.floor((k * (n - 1)) / 249)]!;
      const predicted = [...scores.keys()].filter((i) => scores[i]! >= value);
      const weight = (i: number): number => Math.min(weights[i]!, 1);
      const hits = predicted.reduce((total, i) => total + weight(i), 0);
      const besides = predicted.filter((i) => labels[i] === 0).reduce((total, i) => total + weight(i), 0);
      const positives = (2 * anomalous + besides) / 2;
      const found = regions.filter(({ first, last }) =>
        predicted.some((i) => i >= first && i <= last),
      ).length;
      points.push({
        recall: Math.min(hits / positives, 1) * (found / regions.length),
        falseRatio: (predicted.length - hits) / (n - positives),
        precision: hits / predicted.length,
      });
    }
    points.forEach(({ recall, precision }, k) => {
      if (k > 0) sum.precisionRecall += (recall - points[k - 1]!.recall) * precision;
    });
    [...points, { recall: 1, falseRatio: 1 }].forEach(({ recall, falseRatio }, k, all) => {
      if (k > 0) sum.roc += ((falseRatio - all[k - 1]!.falseRatio) * (recall + all[k - 1]!.recall)) / 2;
    });
  }
  return { roc: sum.roc / (maxBuffer + 1), precisionRecall: sum.precisionRecall / (maxBuffer + 1) };
}

describe('what must hold for any labels and scores', () => {
  const judged = fc
    .array(fc.record({ label: fc.integer({ min: 0, max: 1 }), score: fc.integer({ min: -5, max: 5 }) }), {
      minLength: 2,
      maxLength: 60,
    })
    .map((rows) => ({
      labels: Uint8Array.from(rows, ({ label }) => label),
      scores: Float64Array.from(rows, ({ score }) => score),
    }))
    .filter(({ labels }) => labels.includes(0) && labels.includes(1));

  test('only the order of the scores counts', () => {
    fc.assert(
      fc.property(judged, fc.integer({ min: 0, max: 12 }), ({ labels, scores }, buffer) => {
        const bent = scores.map((score) => Math.exp(score) - 100);
        expect(rocAuc(labels, bent)).toBe(rocAuc(labels, scores));
        expect(averagePrecision(labels, bent)).toBe(averagePrecision(labels, scores));
        expect(volumeUnderSurface(labels, bent, buffer)).toEqual(volumeUnderSurface(labels, scores, buffer));
      }),
    );
  });

  test('volumes equal those of the definition, for each widest buffer', () => {
    fc.assert(
      fc.property(judged, fc.integer({ min: 0, max: 9 }), ({ labels, scores }, buffer) => {
        const volumes = volumesUnderSurface(labels, scores, [buffer, 5]);
        for (const [i, maxBuffer] of [buffer, 5].entries()) {
          const expected = volumeByDefinition(labels, scores, maxBuffer);
          expect(volumes[i]!.roc).toBeCloseTo(expected.roc, 10);
          expect(volumes[i]!.precisionRecall).toBeCloseTo(expected.precisionRecall, 10);
        }
      }),
    );
  });

  test('turned round, the area under the ROC curve is what was missing', () => {
    fc.assert(
      fc.property(judged, ({ labels, scores }) => {
        const turned = scores.map((score) => -score);
        expect(rocAuc(labels, turned)).toBeCloseTo(1 - rocAuc(labels, scores), 10);
      }),
    );
  });

  test('areas are shares', () => {
    fc.assert(
      fc.property(judged, ({ labels, scores }) => {
        for (const area of [rocAuc(labels, scores), averagePrecision(labels, scores)]) {
          expect(area).toBeGreaterThanOrEqual(0);
          expect(area).toBeLessThanOrEqual(1 + 1e-12);
        }
      }),
    );
  });
});

describe('alarm ratio', () => {
  test('scattered alarms have the interval of independent records', () => {
    const flags = Uint8Array.from({ length: 10_000 }, (_, i) => (i % 100 === 0 ? 1 : 0));
    const { ratio, low, high, effectiveRecords } = alarmRatio([flags]);
    expect(ratio).toBe(0.01);
    expect(effectiveRecords).toBe(10_000);
    expect([low, high].map((x) => Number(x.toFixed(4)))).toEqual([0.0082, 0.0121]);
  });

  test('the same number in one burst has a far wider one', () => {
    const flags = new Uint8Array(10_000).fill(1, 5000, 5100);
    const { low, high, effectiveRecords } = alarmRatio([flags]);
    expect(effectiveRecords).toBeLessThan(200);
    expect(low).toBeLessThan(0.002);
    expect(high).toBeGreaterThan(0.03);
  });

  test('no alarm at all still has an upper end', () => {
    const { ratio, low, high } = alarmRatio([new Uint8Array(300)]);
    expect([ratio, low]).toEqual([0, 0]);
    expect(high).toBeCloseTo(0.0126, 3);
  });
});
