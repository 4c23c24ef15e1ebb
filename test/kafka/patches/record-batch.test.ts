import { createRequire } from 'node:module';
import fc from 'fast-check';
import { registerCodecs } from '../../../src/kafka/compression';
import { installedKafkajs } from '../../../src/kafka/patches/installed';
import { FetchedRecord, recordBatchPatch, timestampOf } from '../../../src/kafka/patches/record-batch';

interface Encoded {
  buffer: Buffer;
}
interface Plain {
  offset: string;
  timestamp: string;
  attributes: number;
  magicByte: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: object;
  isControlRecord: boolean;
  batchContext: object;
}
type Decode = (decoder: object) => Promise<{ records: Plain[] }>;

const load = createRequire(__filename);
const inside = (path: string): unknown => load(`kafkajs/src/protocol/${path}`);
const place = load.resolve('kafkajs/src/protocol/recordBatch/v0/decoder');
const original = inside('recordBatch/v0/decoder') as Decode;
const encodeBatch = (inside('recordBatch/v0') as { RecordBatch: (given: object) => Promise<Encoded> })
  .RecordBatch;
const encodeRecord = inside('recordBatch/record/v0') as (given: object) => Encoded;
const Decoder = inside('decoder') as new (bytes: Buffer) => object;

registerCodecs();
beforeAll(() => expect(recordBatchPatch.apply(installedKafkajs)).toBe(true));

const ours: Decode = (decoder) => (load(place) as Decode)(decoder);

const bytes = fc.uint8Array({ maxLength: 200 }).map((part) => Buffer.from(part));
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(
    fc.string({ maxLength: 8 }),
    fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 3 })),
    {
      maxKeys: 3,
    },
  ),
  timestampDelta: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  gap: fc.integer({ min: 0, max: 1000 }),
});

async function encode(
  records: readonly { gap: number }[],
  batch: { firstOffset: bigint; firstTimestamp: number; compression: number; transactional: boolean },
): Promise<Buffer> {
  const Long = load('kafkajs/src/utils/long') as { fromValue(value: bigint): unknown };
  let offsetDelta = -1;
  const encoded = records.map(({ gap, ...rest }) =>
    encodeRecord({ ...rest, offsetDelta: (offsetDelta += gap + 1) }),
  );
  const { buffer } = await encodeBatch({
    ...batch,
    firstOffset: Long.fromValue(batch.firstOffset),
    maxTimestamp: batch.firstTimestamp + 5,
    lastOffsetDelta: offsetDelta,
    producerId: Long.fromValue(7n),
    records: encoded,
  });
  return buffer;
}

const plain = ({ records, ...context }: { records: Plain[] }) => ({
  ...context,
  records: records.map((one) => ({
    offset: one.offset,
    timestamp: one.timestamp,
    attributes: one.attributes,
    magicByte: one.magicByte,
    key: one.key,
    value: one.value,
    headers: one.headers,
    isControlRecord: one.isControlRecord,
    batchContext: one.batchContext,
  })),
});

test('reads the same records as kafkajs, compressed or not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 20 }),
      fc.record({
        firstOffset: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 40n }), fc.constant(2n ** 60n + 1n)),
        firstTimestamp: fc.integer({ min: 0, max: 2 ** 45 }),
        compression: fc.constantFrom(0, 1, 2, 3, 4),
        transactional: fc.boolean(),
      }),
      async (records, batch) => {
        const buffer = await encode(records, batch);
        const expected = plain(await original(new Decoder(buffer)));
        const actual = plain(await ours(new Decoder(buffer)));
        expect(actual).toMatchObject(expected);
        expect(actual.records).toEqual(expected.records);
      },
    ),
  );
});

test('a time is a number for us and a text for others', async () => {
  const buffer = await encode([{ gap: 0, key: null, value: null, timestampDelta: 3 } as { gap: number }], {
    firstOffset: 5n,
    firstTimestamp: 1000,
    compression: 0,
    transactional: false,
  });
  const [read] = (await ours(new Decoder(buffer))).records;
  expect(read).toBeInstanceOf(FetchedRecord);
  expect([read!.timestamp, timestampOf(read as unknown as FetchedRecord)]).toEqual(['1003', 1003]);
  expect(timestampOf({ timestamp: '12' } as never)).toBe(12);
});

test('a partial batch is left for the next fetch, as kafkajs expects', async () => {
  const buffer = await encode([{ gap: 0, key: null, value: Buffer.from('abc') } as { gap: number }], {
    firstOffset: 0n,
    firstTimestamp: 0,
    compression: 0,
    transactional: false,
  });
  await expect(ours(new Decoder(buffer.subarray(0, -1)))).rejects.toMatchObject({
    name: 'KafkaJSPartialMessageError',
  });
});

test('a damaged batch is an error, and nothing is read beyond its end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.nat(255),
      async (records, at, byte) => {
        const buffer = await encode(records, {
          firstOffset: 0n,
          firstTimestamp: 0,
          compression: 0,
          transactional: false,
        });
        // After the header of the batch.
        const place = 61 + (at % (buffer.length - 61));
        buffer[place] = byte;
        const read = await ours(new Decoder(buffer)).catch((error: unknown) => error);
        if (read instanceof Error) expect(read.message).not.toBe('');
        else expect((read as { records: unknown[] }).records).toHaveLength(records.length);
      },
    ),
  );
});
