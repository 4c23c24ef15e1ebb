import { betaAt, createRatePenalty, rateAboveFreeBits } from '../../src/models/rate';
import { scoped, tf } from '../../src/tensor';
import { modelOptions } from './spec';
import { openTestBackend } from '../backend';

beforeAll(async () => {
  await openTestBackend('cpu');
});

/** Two dimensions that carry 3 and 0.1 nats on average. */
const costOf = (changes: Partial<typeof modelOptions>, step?: number): number =>
  scoped(() => {
    const rates = tf.tensor2d([
      [2, 0.1],
      [4, 0.1],
    ]);
    return createRatePenalty({ ...modelOptions, beta: 2, ...changes })
      .of(rates, step === undefined ? undefined : tf.scalar(step))
      .dataSync()[0]!;
  });

test('the cost is β times the rate, summed over dimensions and averaged over the batch', () => {
  expect(costOf({})).toBeCloseTo(2 * 3.1, 5);
});

test('with free bits a dimension costs at least their number', () => {
  expect(costOf({ freeBits: 0.5 })).toBeCloseTo(2 * 3.5, 5);
  scoped(() => expect(rateAboveFreeBits(tf.tensor2d([[0.2, 7]]), 0.2).dataSync()[0]).toBeCloseTo(7.2, 5));
});

test('with a capacity the cost is the distance from it, and the capacity grows to its target', () => {
  expect(costOf({ capacity: 5 })).toBeCloseTo(2 * 1.9, 5);
  expect(costOf({ capacity: 3.1 })).toBeCloseTo(0, 5);
  expect(costOf({ capacity: 5, capacitySteps: 100 }, 0)).toBeCloseTo(2 * 3.1, 5);
  expect(costOf({ capacity: 5, capacitySteps: 100 }, 50)).toBeCloseTo(2 * 0.6, 5);
});

test.each([
  ['constant', [4, 4, 4, 4, 4]],
  ['warm-up', [0, 2, 4, 4, 4]],
  ['cyclical', [0, 4, 0, 4, 4]],
] as const)('β on a schedule that is %s', (betaSchedule, expected) => {
  const betaOf = (step: number | undefined): number =>
    scoped(() => {
      const options = { beta: 4, betaSchedule, betaSteps: 100 };
      const beta = betaAt(options, step === undefined ? undefined : tf.scalar(step));
      return typeof beta === 'number' ? beta : beta.dataSync()[0]!;
    });
  expect([0, 50, 100, 150, undefined].map(betaOf)).toEqual(expected);
});

test('early stopping waits for the last schedule', () => {
  const warmUp = (changes: Partial<typeof modelOptions>): number =>
    createRatePenalty({ ...modelOptions, ...changes }).warmUpSteps;
  expect(warmUp({})).toBe(0);
  expect(warmUp({ betaSchedule: 'cyclical', betaSteps: 70 })).toBe(70);
  expect(warmUp({ betaSchedule: 'warm-up', betaSteps: 70, capacity: 2, capacitySteps: 90 })).toBe(90);
});
