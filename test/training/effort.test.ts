import fc from 'fast-check';
import { chooseEffort, type Effort } from '../../src/training/effort';

const nothing: Effort = { epochs: 0, batchSize: 0, patience: 0, learningRate: 0 };

test('few windows have many epochs, many windows few', () => {
  expect(chooseEffort(nothing, 230)).toEqual({
    epochs: 300,
    batchSize: 32,
    patience: 38,
    learningRate: 0.002,
  });
  expect(chooseEffort(nothing, 14_000)).toEqual({
    epochs: 46,
    batchSize: 128,
    patience: 6,
    learningRate: 0.001,
  });
});

test('configured values are not changed, and the others follow from them', () => {
  const given = { epochs: 7, batchSize: 16, patience: 3, learningRate: 0.01 };
  expect(chooseEffort(given, 5000)).toEqual(given);
  expect(chooseEffort({ ...nothing, epochs: 80 }, 5000).patience).toBe(10);
});

test('any number of windows is trained on with a bounded number of steps', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (windows) => {
      const { epochs, batchSize, patience, learningRate } = chooseEffort(nothing, windows);
      expect(epochs).toBeGreaterThanOrEqual(10);
      expect(patience).toBeLessThanOrEqual(epochs);
      expect(learningRate).toBeGreaterThan(0);
      const steps = epochs * Math.ceil(windows / batchSize);
      expect(steps).toBeLessThanOrEqual(
        Math.max(5000 + Math.ceil(windows / batchSize), 10 * Math.ceil(windows / 128)),
      );
    }),
  );
});
