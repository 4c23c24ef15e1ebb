/** Damaged record batches of every codec: each is read, or rejected by offset, and memory stays bounded. */
import { createRequire } from 'node:module';
import { registerCodecs } from '../../src/kafka/compression';
import { installedKafkajs } from '../../src/kafka/patches/installed';
import { recordBatchPatch, type FetchedRecord } from '../../src/kafka/patches/record-batch';
import { seededUniform } from '../calibration/seeded';
import { below, mutateBytes, pick, type Uniform } from './mutate';
import { fuzzing } from './settings';

jest.setTimeout(600_000);

interface Encoded {
  buffer: Buffer;
}
const load = createRequire(__filename);
const inside = (path: string): unknown => load(`kafkajs/src/${path}`);
const Decoder = inside('protocol/decoder') as new (bytes: Buffer) => object;
const Long = inside('utils/long') as { fromValue(value: number): unknown };
const { RecordBatch } = inside('protocol/recordBatch/v0') as {
  RecordBatch: (given: object) => Promise<Encoded>;
};
const encodeRecord = inside('protocol/recordBatch/record/v0') as (given: object) => Encoded;

registerCodecs();
beforeAll(() => expect(recordBatchPatch.apply(installedKafkajs)).toBe(true));

async function encode(random: Uniform): Promise<Buffer> {
  const count = 1 + below(random, 20);
  const { buffer } = await RecordBatch({
    firstOffset: Long.fromValue(below(random, 1_000)),
    firstTimestamp: 1_000,
    maxTimestamp: 2_000,
    compression: below(random, 5),
    transactional: random() < 0.5,
    lastOffsetDelta: count - 1,
    producerId: Long.fromValue(7),
    records: Array.from({ length: count }, (_, offsetDelta) =>
      encodeRecord({
        key: random() < 0.5 ? null : Buffer.from(`key ${offsetDelta}`),
        value: Buffer.alloc(below(random, 400), pick(random, ['{"a":1}', 'x', '\0'])),
        headers: random() < 0.3 ? { h: Buffer.from('v') } : {},
        offsetDelta,
        timestampDelta: offsetDelta,
      }),
    ),
  });
  return buffer;
}

/** Damages what stands after offset and length, which the broker writes. */
function damage(random: Uniform, batch: Buffer): Buffer {
  const from = random() < 0.3 ? 12 : 61;
  const mutated = Buffer.concat([batch.subarray(0, from), mutateBytes(random, batch.subarray(from))]);
  const sized = mutated.length < 61 ? batch : mutated;
  sized.writeInt32BE(sized.length - 12, 8);
  sized[16] = 2;
  return sized;
}

test('damaged batches are read, or rejected by offset', async () => {
  const decode = load('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
    decoder: object,
  ) => Promise<FetchedRecord[]>;
  const before = process.memoryUsage().rss;
  const counts = { read: 0, rejected: 0 };
  const batches = Math.max(300, Math.round(fuzzing.records / 50));
  for (let index = 0; index < batches; index++) {
    const random = seededUniform(Math.imul(fuzzing.seed, 0x9e3779b1) ^ index);
    const batch = damage(random, await encode(random));
    const size = Buffer.alloc(4);
    size.writeInt32BE(batch.length);
    let records: FetchedRecord[];
    try {
      records = await decode(new Decoder(Buffer.concat([size, batch])));
    } catch (cause) {
      throw new Error(`batch ${index} of seed ${fuzzing.seed} ended it: ${batch.toString('hex')}`, { cause });
    }
    counts[records[0]?.problem === undefined ? 'read' : 'rejected']++;
    for (const record of records) {
      expect(record.value === null || record.value.length <= batch.length * 1_000).toBe(true);
      if (record.problem !== undefined) expect(record.problem.message).toContain('(offsets ');
    }
  }
  expect(Math.min(counts.read, counts.rejected)).toBeGreaterThan(batches / 50);
  expect(process.memoryUsage().rss - before).toBeLessThan(1024 ** 3);
});
