import { createMeanChart } from '../../src/calibration/mean-chart';
import { meanRecords } from '../../src/calibration/recent-means';
import { devicesIn } from '../../src/training/device-places';
import { fitMeanDeviation, fitSlowTest, meansAt } from '../../src/training/mean-charts';
import { seededNormal } from '../calibration/seeded';

const channels = 2;
const records = 3000;
const normal = seededNormal(7);
const errors = (): Float64Array => Float64Array.from({ length: records * channels }, normal);
const deviations = errors();
const meanErrors = errors();
const devices = [
  { key: 'a', from: 0, to: 1000 },
  { key: 'b', from: 1000, to: records },
];
const isEarly = (place: number): boolean => place < 700 || (place >= 1000 && place < 2000);
const places = Array.from({ length: records }, (_, place) => place);
const fitted = Int32Array.from(places.filter(isEarly));
const block = Int32Array.from(places.filter((place) => !isEarly(place)));

test('means run over all records of a device, and start at 0 with the next device', () => {
  const running = { size: 1, errorsAt: (place: number) => [place], centreOf: () => [0], records: 1 };
  // The mean of one record is the record itself.
  expect([...meansAt(Int32Array.of(1, 4), devices, running)]).toEqual([1, 4]);
  const long = { ...running, errorsAt: () => [1], records: 3 };
  // Half of what is missing from 1 is added with each record.
  expect([...meansAt(Int32Array.of(2, 1000), devices, long)]).toEqual([0.875, 0.5]);
});

test('T² of the mean deviation is that of the chart as it runs in use', () => {
  const { state, distances } = fitMeanDeviation(deviations, channels, devices, fitted);
  const chart = createMeanChart(state, meanRecords);
  const expected = devices.flatMap(({ from, to }) => {
    const cells = new Float64Array(channels);
    return Array.from({ length: to - from }, (_, i) =>
      chart.step(cells, deviations, (from + i) * channels, [0, 0]),
    );
  });
  expect([...distances]).toEqual(expected);
});

test('the slow test has the statistic of each record of the calibration block, where the block is long enough', () => {
  const long = { deviations: errors(), meanErrors: errors() };
  const many = [{ key: 'a', from: 0, to: records }];
  expect(fitSlowTest(long, channels, many, fitted, block)).toBeUndefined();
  // Independent errors give a stretch in 60 records or so.
  const times = 10;
  const repeated = {
    deviations: Float64Array.from({ length: times * records * channels }, normal),
    meanErrors: Float64Array.from({ length: times * records * channels }, normal),
  };
  const last = Int32Array.from({ length: (times - 1) * records }, (_, i) => records + i);
  const first = Int32Array.from({ length: records }, (_, i) => i);
  const all = [{ key: 'a', from: 0, to: times * records }];
  const slow = fitSlowTest(repeated, channels, all, first, last);
  expect(slow!.statistic).toHaveLength(last.length);
  expect(Object.keys(slow!.state.devices)).toEqual(['a']);
});

test('images have no slow test', () => {
  const none = { deviations: new Float64Array(), meanErrors };
  expect(fitSlowTest(none, channels, devices, fitted, block)).toBeUndefined();
});

test('the places of a part are divided among the devices', () => {
  expect(devicesIn(devices, Int32Array.of(5, 999, 1000))).toEqual([
    { key: 'a', from: 0, to: 2 },
    { key: 'b', from: 2, to: 3 },
  ]);
});
