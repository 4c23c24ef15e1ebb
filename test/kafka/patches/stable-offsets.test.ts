import { createRequire } from 'node:module';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { stableOffsetsPatch, unstableOffset } from '../../../src/kafka/patches/stable-offsets';

interface Definition {
  versions: string[];
  protocol(given: { version: number }): (given: object) => {
    request: { apiVersion: number; encode(): Promise<{ buffer: Buffer }> };
    response: {
      decode(data: Buffer): Promise<object>;
      parse(data: object): Promise<object>;
    };
  };
}

const definition = createRequire(__filename)(
  'kafkajs/src/protocol/requests/offsetFetch',
) as unknown as Definition;
const asked = {
  groupId: 'group',
  topics: [{ topic: 'sensors', partitions: [{ partition: 1 }, { partition: 2 }] }],
};

beforeEach(() => expect(stableOffsetsPatch.apply(installedKafkajs)).toBe(true));

test('a second patch changes nothing', () => {
  const { versions } = definition;
  expect(versions).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  stableOffsetsPatch.apply(installedKafkajs);
  expect(definition.versions).toBe(versions);
});

test('brokers that support it get the request for stable offsets, older ones the previous request', () => {
  const versionFor = (version: number) => definition.protocol({ version })(asked).request.apiVersion;
  expect([1, 4, 5, 6, 7].map(versionFor)).toEqual([1, 4, 4, 4, 7]);
});

test('the request has the fields of version 7', async () => {
  const { buffer } = await definition.protocol({ version: 7 })(asked).request.encode();
  const text = (value: string) => [value.length + 1, ...Buffer.from(value)];
  expect([...buffer]).toEqual([
    0, // no tagged fields in the header
    ...text('group'),
    2, // one topic
    ...text('sensors'),
    3, // two partitions
    ...[0, 0, 0, 1, 0, 0, 0, 2],
    0,
    1, // stable ones only
    0,
  ]);
});

describe('an answer', () => {
  const answer = (errorCode: number, ofPartition = 0) =>
    Buffer.from([
      0, // no tagged fields in the header
      ...[0, 0, 0, 9], // throttled
      2, // one topic
      ...[2, 0x74], // "t"
      2, // one partition
      ...[0, 0, 0, 3], // partition
      ...[0, 0x20, 0, 0, 0, 0, 0, 1], // offset 2^53 + 1
      ...[0, 0, 0, 5], // epoch
      0, // no metadata
      ...[0, ofPartition],
      0,
      0,
      ...[0, errorCode],
      0,
    ]);
  const read = async (data: Buffer) => {
    const { response } = definition.protocol({ version: 7 })(asked);
    return response.parse(await response.decode(data));
  };

  test('keeps 64-bit offsets', async () => {
    expect(await read(answer(0))).toEqual({
      throttleTime: 0,
      clientSideThrottleTime: 9,
      errorCode: 0,
      responses: [
        {
          topic: 't',
          partitions: [{ partition: 3, offset: '9007199254740993', metadata: null, errorCode: 0 }],
        },
      ],
    });
  });

  test('an unstable offset is reported for its partition only', async () => {
    expect(await read(answer(0, 88))).toMatchObject({
      responses: [{ partitions: [{ partition: 3, offset: unstableOffset }] }],
    });
  });

  test('an error is thrown', async () => {
    await expect(read(answer(15))).rejects.toMatchObject({ type: 'GROUP_COORDINATOR_NOT_AVAILABLE' });
    await expect(read(answer(0, 15))).rejects.toMatchObject({ type: 'GROUP_COORDINATOR_NOT_AVAILABLE' });
  });
});
