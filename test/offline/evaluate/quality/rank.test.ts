import { meanRank, rankOf } from '../../../../src/offline/evaluate/quality/rank';

const labels = Uint8Array.of(0, 1, 0, 1, 0);

test('each column is ranked over the records that have all of them', () => {
  const rank = rankOf({
    labels,
    scores: Float64Array.of(1, 5, 2, 4, 9),
    statistics: { good: Float64Array.of(1, 5, 2, 4, NaN), bad: Float64Array.of(5, 1, 4, 2, 0) },
  })!;
  expect(rank.surprise).toBe(1);
  expect(rank.statistics['good']).toBe(1);
  // The anomalous records are the last two of four: precision 1/3 at the first, 2/4 at the second.
  expect(rank.statistics['bad']).toBeCloseTo((1 / 3 + 2 / 4) / 2, 12);
});

test('a value beyond all others is the first', () => {
  const statistics = { one: Float64Array.of(0, Number.MAX_VALUE, 1, Number.MAX_VALUE, 2) };
  expect(rankOf({ labels, scores: new Float64Array(5), statistics })!.statistics['one']).toBe(1);
});

test('without statistics there is no rank', () => {
  expect(rankOf({ labels, scores: new Float64Array(5) })).toBeUndefined();
  expect(meanRank([])).toBeUndefined();
});

test('the mean is over the series with an anomaly, of the statistics that all of them have', () => {
  const one = { surprise: 0.5, statistics: { a: 0.4, slow: 0.1 } };
  const other = { surprise: 0.7, statistics: { a: 0.8 } };
  const undefinedOne = { surprise: NaN, statistics: { a: NaN } };
  const mean = meanRank([one, undefinedOne, other])!;
  expect(mean.surprise).toBeCloseTo(0.6, 12);
  expect(Object.keys(mean.statistics)).toEqual(['a']);
  expect(mean.statistics['a']).toBeCloseTo(0.6, 12);
});
