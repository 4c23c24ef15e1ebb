import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { gzip, type ZlibOptions } from 'node:zlib';
import fc from 'fast-check';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { createLazyCodec, registerCodecs } from '../../../src/kafka/compression';
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

/** A batch with what stands after its header replaced. */
async function withBody(
  body: Buffer,
  { count, last = count - 1, codec = 0 }: { count: number; last?: number; codec?: number },
): Promise<Buffer> {
  const header = { firstOffset: 40n, firstTimestamp: 1000, compression: 0, transactional: false };
  const encoded = await encode([{ gap: 0, key: null, value: null } as { gap: number }], header);
  const batch = Buffer.concat([encoded.subarray(0, 61), body]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(codec, 21);
  batch.writeInt32BE(last, 23);
  batch.writeInt32BE(count, 57);
  return batch;
}

const smallest = encodeRecord({ key: null, value: null, headers: {}, offsetDelta: 0, timestampDelta: 0 });

test('a damaged batch is read, or rejected by offset with a reason, and nothing is read beyond its end', async () => {
  let [readable, rejected] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.nat(255),
      fc.constantFrom(0, 1, 2, 3, 4),
      async (records, at, byte, compression) => {
        const buffer = await encode(records, {
          firstOffset: 9n,
          firstTimestamp: 0,
          compression,
          transactional: false,
        });
        // After the header of the batch.
        const place = 61 + (at % (buffer.length - 61));
        buffer[place] = byte;
        const read = (await ours(new Decoder(buffer))).records as unknown as FetchedRecord[];
        if (read[0]!.problem === undefined) {
          readable++;
          expect(read.filter((one) => !one.isControlRecord)).toHaveLength(records.length);
          return;
        }
        rejected++;
        const last = 8 + records.reduce((sum, { gap }) => sum + gap + 1, 0);
        expect(Number(read[0]!.offset)).toBe(9);
        expect(Number(read.at(-1)!.offset)).toBe(last);
        expect(read[0]!.problem.message).toContain(`(offsets 9 to ${last})`);
      },
    ),
    { numRuns: 300 },
  );
  expect(Math.min(readable, rejected)).toBeGreaterThan(20);
});

test.each([
  ['a length below zero', Buffer.from([0x0d, 0, 0, 0, 1, 1, 0])],
  ['a key that ends after its record', Buffer.from([0x0c, 0, 0, 0, 0x7e, 1, 0])],
  // A value of −2 bytes would be read again and again, by the number of its headers.
  ['a value of a negative length', Buffer.from([0x0e, 0, 0, 0, 1, 3, 0xfe, 0x7f])],
  ['fewer records than its header states', smallest.buffer],
])('%s rejects a batch', async (what, body) => {
  const count = what.startsWith('fewer') ? 1_000 : 1;
  const { records } = await ours(new Decoder(await withBody(body, { count })));
  expect(records).toHaveLength(count);
  const rejected = records as unknown as FetchedRecord[];
  expect(rejected.map(({ problem }) => problem?.reason)).toEqual(Array(count).fill('damaged_record'));
  expect([rejected[0]!.value, rejected[0]!.key]).toEqual([null, null]);
});

test('a batch of an unknown compression is rejected by offset', async () => {
  const { records } = await ours(new Decoder(await withBody(smallest.buffer, { count: 2, codec: 6 })));
  expect(records.map(({ offset }) => offset)).toEqual(['40', '41']);
  expect((records[0] as unknown as FetchedRecord).problem?.message).toBe(
    'there is no codec for compression 6 (offsets 40 to 41)',
  );
});

test('a rejected batch of a million records is a thousand dead letters that name its offsets', async () => {
  const body = Buffer.concat(Array<Buffer>(1_000_000).fill(smallest.buffer));
  const { records } = await ours(new Decoder(await withBody(body, { count: 1_000_000 })));
  expect(records).toHaveLength(1_000);
  const [first, last] = [records[0], records.at(-1)] as unknown as FetchedRecord[];
  expect(first!.problem?.reason).toBe('batch_too_large');
  expect(first!.problem?.message).toContain('(offsets 40 to 1000039)');
  expect([first!.offset, last!.offset]).toEqual(['40', '1000039']);
});

describe('the record set of a partition', () => {
  const setPath = load.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');
  const readSet = (bytes: Buffer): Promise<FetchedRecord[]> => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes.length);
    const decode = load(setPath) as (decoder: object) => Promise<FetchedRecord[]>;
    return decode(new Decoder(Buffer.concat([size, bytes])));
  };

  test('has the records of all its batches, but not of one that is cut off', async () => {
    const batch = await withBody(Buffer.concat(Array<Buffer>(3).fill(smallest.buffer)), {
      count: 3,
      last: 0,
    });
    expect(await readSet(Buffer.concat([batch, batch, batch.subarray(0, 65)]))).toHaveLength(6);
    expect(await readSet(batch.subarray(0, 40))).toEqual([]);
  });

  test('may have more records than a function has arguments', async () => {
    const body = Buffer.concat(Array<Buffer>(200_000).fill(smallest.buffer));
    expect(await readSet(await withBody(body, { count: 200_000, last: 0 }))).toHaveLength(200_000);
  });

  test('ends where the records of a response take too much memory; the next response has the others', async () => {
    const value = Buffer.alloc(50 * 1024 * 1024);
    const { buffer } = encodeRecord({ key: null, value, headers: {}, offsetDelta: 0, timestampDelta: 0 });
    const body = await promisify<Buffer, ZlibOptions, Buffer>(gzip)(buffer, { level: 1 });
    const batch = await withBody(body, { count: 1, codec: 1 });
    const records = await readSet(Buffer.concat(Array<Buffer>(10).fill(batch)));
    expect(records.map((one) => one.value?.length)).toEqual(Array(3).fill(value.length));
  });
});

describe('a compacted topic', () => {
  const noRecords = Buffer.alloc(0);
  const Batch = load('kafkajs/src/consumer/batch') as new (
    topic: string,
    fetchedOffset: string,
    data: object,
  ) => { messages: Plain[]; isEmptyDueToFiltering(): boolean; lastOffset(): string };
  const setPath = load.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');

  /** What kafkajs makes of a response with these batches, fetched from offset 40. */
  async function fetched(...batches: Buffer[]) {
    const size = Buffer.alloc(4);
    const set = Buffer.concat(batches);
    size.writeInt32BE(set.length);
    const decode = load(setPath) as (decoder: object) => Promise<FetchedRecord[]>;
    const messages = await decode(new Decoder(Buffer.concat([size, set])));
    const data = { partition: 0, highWatermark: '900', abortedTransactions: [], messages };
    const batch = new Batch('t', '40', data);
    return { offsets: batch.messages.map(({ offset }) => offset), last: batch.lastOffset(), batch };
  }

  test.each([0, 1])('a batch without records (codec %i) is passed', async (codec) => {
    const { offsets, last, batch } = await fetched(await withBody(noRecords, { count: 0, last: 7, codec }));
    expect({ offsets, last }).toEqual({ offsets: [], last: '47' });
    // kafkajs continues after a batch only if this holds.
    expect(batch.isEmptyDueToFiltering()).toBe(true);
  });

  test('a batch without its last records is passed in one step', async () => {
    const { offsets, last } = await fetched(await withBody(smallest.buffer, { count: 1, last: 7 }));
    expect({ offsets, last }).toEqual({ offsets: ['40'], last: '47' });
  });
});
test('a package that does not load is an error of this machine, not of the batch', async () => {
  const known = CompressionCodecs[CompressionTypes.LZ4];
  CompressionCodecs[CompressionTypes.LZ4] = () =>
    createLazyCodec('lz4', 'lz4-napi', () => Promise.reject(new Error('no binary')));
  const batch = await withBody(Buffer.from('any'), { count: 1, codec: 3 });
  await expect(ours(new Decoder(batch))).rejects.toThrow('package lz4-napi cannot be loaded');
  CompressionCodecs[CompressionTypes.LZ4] = known;
});
