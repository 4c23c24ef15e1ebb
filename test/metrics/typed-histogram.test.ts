import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { createTypedHistogram } from '../../src/metrics/typed-histogram';

const buckets = [0.5, 1, 2, 4];
const options = { name: 'h', help: 'Some help.', labelNames: ['detector'], buckets };

function create() {
  const registry = new Registry();
  return { registry, histogram: createTypedHistogram(registry, options) };
}

test('says what a prom-client histogram fed the same values says', async () => {
  const value = fc.oneof(fc.double({ min: -1, max: 10, noNaN: true }), fc.constantFrom(...buckets));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(value)), async (batches) => {
      const theirs = new Registry();
      const reference = new Histogram({ ...options, buckets, registers: [theirs] });
      reference.zero({ detector: 'pump' });
      const ours = create();
      const series = ours.histogram.series({ detector: 'pump' });
      for (const batch of batches) {
        for (const one of batch) reference.observe({ detector: 'pump' }, one);
        series.observe(Float64Array.from(batch), batch.length);
      }
      expect(await ours.registry.metrics()).toBe(await theirs.metrics());
    }),
  );
});

test('only the first `count` values are observed', async () => {
  const { registry, histogram } = create();
  histogram.series({ detector: 'pump' }).observe(Float64Array.of(1, 2, 3), 2);
  expect(await registry.metrics()).toContain('h_count{detector="pump"} 2');
  expect(await registry.metrics()).toContain('h_sum{detector="pump"} 3');
});

test('each set of labels is a series of its own, there from the start', async () => {
  const { registry, histogram } = create();
  histogram.series({ detector: 'a' }).observe(Float64Array.of(1), 1);
  histogram.series({ detector: 'b' });
  const text = await registry.metrics();
  expect(text).toContain('h_count{detector="a"} 1');
  expect(text).toContain('h_count{detector="b"} 0');
  expect(text.match(/# TYPE h histogram/g)).toHaveLength(1);
});

test('not a number and infinity count beyond the last bucket and do not spoil the sum', async () => {
  const { registry, histogram } = create();
  histogram.series({ detector: 'pump' }).observe(Float64Array.of(NaN, Infinity, 1), 3);
  const text = await registry.metrics();
  expect(text).toContain('h_bucket{le="4",detector="pump"} 1');
  expect(text).toContain('h_bucket{le="+Inf",detector="pump"} 3');
  expect(text).toContain('h_sum{detector="pump"} 325');
});

test('buckets that do not ascend are refused', () => {
  expect(() => createTypedHistogram(new Registry(), { ...options, buckets: [1, 1] })).toThrow(
    'buckets must ascend',
  );
  expect(() => createTypedHistogram(new Registry(), { ...options, buckets: [1, NaN] })).toThrow(
    'buckets must ascend',
  );
});

test('a name that the registry has already is refused', () => {
  const { registry } = create();
  expect(() => createTypedHistogram(registry, options)).toThrow('already been registered');
});
