import { createOutcome, writeOutcome } from '../../src/pipeline/outcome';
import type { PartitionState } from '../../src/state/partition';
import { createRecordedMetrics, createTestSink, message } from './harness';

const processedTo = (offset: number) =>
  ({ hasProcessed: (at: bigint) => at <= BigInt(offset) }) as PartitionState;

describe('the offset range that a batch advances', () => {
  const messages = [message(4, '', true), message(5, ''), message(6, '')];
  const advanceOf = (processed: number, more: { committed?: bigint; next?: bigint }) =>
    createOutcome({ topic: 't', partition: 2, messages, lag: 0, ...more }, processedTo(processed), [], 3)
      .advance;

  test('begins with the first live message that is not processed', () => {
    const range = { committed: 5n, next: 7n };
    expect(advanceOf(3, range)).toEqual({ topic: 't', partition: 2, committed: 5n, from: 5n, to: 7n });
    expect(advanceOf(5, range)).toMatchObject({ from: 6n });
    expect(advanceOf(6, range)).toMatchObject({ from: 7n, to: 7n });
  });

  test('is absent where nothing is committed', () => {
    expect(advanceOf(3, {})).toBeUndefined();
    expect(advanceOf(3, { next: 7n })).toBeUndefined();
  });
});

test('a retry writes to the sinks that failed, and counts each failure', async () => {
  const [a, b] = [createTestSink('a'), createTestSink('b')];
  const { metrics, argumentsOf } = createRecordedMetrics();
  const batch = { topic: 't', partition: 0, messages: [], lag: 0 };
  const outcome = createOutcome(batch, processedTo(0), [a, b], 3);
  b.refuse = 1;
  await expect(writeOutcome(outcome, metrics)).rejects.toThrow('sink b did not accept the batch');
  await writeOutcome(outcome, metrics);
  await writeOutcome(outcome, metrics);
  expect([a.taken.length, b.taken.length]).toEqual([1, 1]);
  expect(argumentsOf('sinkError')).toEqual([['b']]);
});
