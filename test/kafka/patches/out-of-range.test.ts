import { createRequire } from 'node:module';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { outOfRangePatch } from '../../../src/kafka/patches/out-of-range';

const group = createRequire(__filename)('kafkajs/src/consumer/consumerGroup') as {
  prototype: { recoverFromOffsetOutOfRange(this: object, error: Error): Promise<void> };
};

beforeEach(() => expect(outOfRangePatch.apply(installedKafkajs)).toBe(true));

test('a second patch changes nothing', () => {
  const { recoverFromOffsetOutOfRange } = group.prototype;
  expect(outOfRangePatch.apply(installedKafkajs)).toBe(true);
  expect(group.prototype.recoverFromOffsetOutOfRange).toBe(recoverFromOffsetOutOfRange);
});

/** Recovers a member at `position`, with `low` as the leader's first offset. */
async function recover(position: string, low: string) {
  const said: string[] = [];
  const preferred = { t: { 3: 1, 4: 2 } };
  const error = Object.assign(new Error('not within the range'), { topic: 't', partition: 3 });
  const ended = await group.prototype.recoverFromOffsetOutOfRange
    .call(
      {
        preferredReadReplicasPerTopicPartition: preferred,
        cluster: {
          refreshMetadata: () => Promise.resolve(said.push('metadata')),
          fetchTopicsOffset: (asked: object) => {
            said.push(JSON.stringify(asked));
            return Promise.resolve([{ topic: 't', partitions: [{ partition: 3, offset: low }] }]);
          },
        },
        offsetManager: {
          nextOffset: () => position,
          resolveOffset: (handled: object) => said.push(JSON.stringify(handled)),
        },
      },
      error,
    )
    .then(
      () => 'continues',
      (thrown: unknown) => (thrown === error ? 'ends' : String(thrown)),
    );
  expect(preferred).toEqual({ t: { 4: 2 } });
  // The leader is looked up, and then asked.
  expect(said.slice(0, 2)).toEqual([
    'metadata',
    JSON.stringify([{ topic: 't', partitions: [{ partition: 3 }], fromBeginning: true }]),
  ]);
  return { ended, handled: said.slice(2) };
}

test('after retention has removed the offset, reading continues with the oldest message left', async () => {
  const handled = JSON.stringify({ topic: 't', partition: 3, offset: '9007199254740994' });
  expect(await recover('5', '9007199254740995')).toEqual({ ended: 'continues', handled: [handled] });
});

test.each([
  ['the leader may well have the offset', '5', '0'],
  ['at the oldest', '5', '5'],
])('it ends if %s', async (_, position, low) => {
  expect(await recover(position, low)).toEqual({ ended: 'ends', handled: [] });
});
