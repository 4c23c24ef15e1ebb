import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { createTypedHistogram } from '../../src/metrics/typed-histogram';

const buckets = [0.5, 1, 2, 4];
const options = { name: 'h', help: 'Some help.', labelNames: ['detector'], buckets };

function create() {
  const registry = new Registry();
  return { registry, histogram: createTypedHistogram(registry, options) };
}

test('has the same output as a histogram of prom-client with the same values', async () => {
  const value = fc.oneof(fc.double({ min: -1, max: 10, noNaN: true }), fc.constantFrom(...buckets));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(value)), async (batches) => {
      const theirs = new Registry();
      const reference = new Histogram({ ...options, buckets, registers: [theirs] });
      reference.zero({ detector: 'pump' });
      const ours = create();
      const series = ours.histogram({ detector: 'pump' });
      for (const batch of batches) {
        for (const one of batch) reference.observe({ detector: 'pump' }, one);
        series(Float64Array.from(batch), batch.length);
      }
      expect(await ours.registry.metrics()).toBe(await theirs.metrics());
    }),
  );
});

test('only the first `count` values are observed', async () => {
  const { registry, histogram } = create();
  histogram({ detector: 'pump' })(Float64Array.of(1, 2, 3), 2);
  expect(await registry.metrics()).toContain('h_count{detector="pump"} 2');
  expect(await registry.metrics()).toContain('h_sum{detector="pump"} 3');
});

test('each set of labels is a series of its own and exists from the start', async () => {
  const { registry, histogram } = create();
  histogram({ detector: 'a' })(Float64Array.of(1), 1);
  histogram({ detector: 'b' });
  const text = await registry.metrics();
  expect(text).toContain('h_count{detector="a"} 1');
  expect(text).toContain('h_count{detector="b"} 0');
  expect(text.match(/# TYPE h histogram/g)).toHaveLength(1);
});

test('NaN and infinity count in the last bucket, and the sum stays finite', async () => {
  const { registry, histogram } = create();
  histogram({ detector: 'pump' })(Float64Array.of(NaN, Infinity, 1), 3);
  const text = await registry.metrics();
  expect(text).toContain('h_bucket{le="4",detector="pump"} 1');
  expect(text).toContain('h_bucket{le="+Inf",detector="pump"} 3');
  expect(text).toContain('h_sum{detector="pump"} 325');
});

test('buckets that are not in ascending order are refused', () => {
  expect(() => createTypedHistogram(new Registry(), { ...options, buckets: [1, 1] })).toThrow(
    'buckets must be in ascending order',
  );
  expect(() => createTypedHistogram(new Registry(), { ...options, buckets: [1, NaN] })).toThrow(
    'buckets must be in ascending order',
  );
});

test('a name that is already registered is refused', () => {
  const { registry } = create();
  expect(() => createTypedHistogram(registry, options)).toThrow('already been registered');
});
