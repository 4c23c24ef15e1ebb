import { decisiveStretches, tailStretches } from '../../src/training/tail-stretches';

const device = (key: string, values: readonly number[], stepMs = 1000) => ({
  key,
  times: Float64Array.from(values, (_, i) => i * stepMs),
  values: Float64Array.from(values),
});

test('records of the tail that are near each other are a stretch, of one device each', () => {
  const first = device('a', [0, 9, 0, 9, 9, 0, 0, 0, 0, 9]);
  const second = device('b', [9, 0]);
  expect(tailStretches([first, second], 5, 3)).toEqual([
    { key: 'a', from: 1000, to: 4000, records: 3, windows: 4 },
    { key: 'a', from: 9000, to: 9000, records: 1, windows: 1 },
    { key: 'b', from: 0, to: 0, records: 1, windows: 1 },
  ]);
});

test('what reaches the foot is not above it, nor is what is no number', () => {
  expect(tailStretches([device('a', [5, NaN, 4])], 5, 1)).toEqual([]);
});

test('three stretches decide a tail if they hold most of it and are short', () => {
  const stretches = [8, 3, 2, 1, 1].map((records) => ({ key: 'a', from: 0, to: 0, records, windows: 10 }));
  const decisive = (excesses: number, windows: number) => decisiveStretches({ excesses, windows, stretches });
  expect(decisive(16, 600)).toEqual(stretches.slice(0, 3));
  expect(decisive(17, 600)).toEqual([]);
  expect(decisive(16, 599)).toEqual([]);
});
