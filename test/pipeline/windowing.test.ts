import { decodeEach } from '../../src/codecs/codec';
import { createJsonDecoder } from '../../src/codecs/json/json';
import { createCategoryTable, createConditionReader } from '../../src/domain/condition';
import { createLimitCheck } from '../../src/domain/signal';
import { createWindowBatch, type WindowShape } from '../../src/domain/window';
import { createOutcome } from '../../src/pipeline/outcome';
import {
  chunkRanges,
  chunkRecords,
  createChunk,
  createChunkPool,
  fillChunk,
} from '../../src/pipeline/windowing';
import type { Message } from '../../src/sources/source';
import { createPartitionStates } from '../../src/state/partitions';
import { createSimpleDetector, message, schema, shape } from './harness';

describe('the ranges of the chunks of a batch', () => {
  const rangesOf = (warmUps: number, live: number, size: number) =>
    [
      ...chunkRanges(
        Array.from({ length: warmUps + live }, (_, i) => message(i, '', i < warmUps)),
        size,
      ),
    ].map(([from, to]) => `${from}-${to}`);

  test.each([
    [0, 0, 3, []],
    [0, 3, 3, ['0-3']],
    [0, 7, 3, ['0-3', '3-6', '6-7']],
    [4, 0, 3, ['0-3', '3-4']],
    [4, 4, 3, ['0-3', '3-4', '4-7', '7-8']],
  ])('of %d warm-up and %d live messages, %d at a time', (warmUps, live, size, ranges) => {
    expect(rangesOf(warmUps, live, size)).toEqual(ranges);
  });
});

test.each([
  ['small windows', { length: 10, channels: 5 }, 1024],
  ['large windows', { length: 1, channels: 40_000 }, 100],
  ['huge windows', { length: 1, channels: 10_000_000 }, 1],
])('a chunk has room for a bounded number of %s', (_, size: Omit<WindowShape, 'conditions'>, records) => {
  expect(chunkRecords({ ...size, conditions: 0 })).toBe(records);
});

test('a pool reuses a chunk of the same detector, emptied', () => {
  const pool = createChunkPool();
  const [detector, other] = [createSimpleDetector(), createSimpleDetector()];
  const chunk = pool.take(detector);
  chunk.count = chunk.windows.count = 3;
  chunk.limits.set(0, []);
  expect(pool.take(detector)).not.toBe(chunk);
  pool.giveBack(detector, chunk);
  expect(pool.take(other)).not.toBe(chunk);
  expect(pool.take(detector)).toBe(chunk);
  expect([chunk.count, chunk.windows.count, chunk.limits.size]).toEqual([0, 0, 0]);
});

describe('filling a chunk', () => {
  async function fill(messages: readonly Message[], ignoreStale = false, rescores = false) {
    const table = createCategoryTable();
    const fields = {
      key: 'key',
      timestamp: 'time',
      timestampFormat: 'ms',
      values: 'values',
      conditions: 'conditions',
    } as const;
    const readConditions = createConditionReader(schema.conditions, table);
    const limits = { maxBytes: 1000, maxAheadMs: 1000 };
    const decode = decodeEach(schema, createJsonDecoder({ fields, schema, limits, readConditions }));
    const partition = createPartitionStates({
      shape,
      windows: { ttlMs: 1e9, intervalMs: 0, gaps: 'ignore', padding: 'none', maxKeys: 10 },
      events: {} as never,
      categories: [true],
      table,
      fingerprint: '',
    }).of('t', 0);
    if (rescores) partition.assign({ from: 0n, liveFrom: 9n, after: -1n, processedBefore: true });
    const chunk = createChunk(createWindowBatch(shape, messages.length));
    const outcome = createOutcome({ topic: 't', partition: 0, messages, lag: 0 }, partition, [], 3);
    const stale = ignoreStale ? 'ignore' : 'reject';
    const rules = {
      detectorName: 'plant',
      limits: createLimitCheck(schema.channels, [
        { kind: 'auto', channel: 'surprise', direction: 'both', deadband: 0, limits: { max: 5 } },
      ]),
      stale: { duplicate: stale, out_of_order: stale },
    } as const;
    const decoded = { ...(await decode(messages, 1000)), messages };
    fillChunk(chunk, decoded, 0, messages.length, partition, rules, outcome);
    const all = (values: Int32Array): number[] => Array.from(values.subarray(0, chunk.count));
    const column = (values: Int32Array): number[] => all(values).filter((_, at) => chunk.decided[at] === 1);
    return {
      chunk,
      ...outcome,
      heard: all(chunk.messages),
      messages: column(chunk.messages),
      rows: column(chunk.rows),
      places: column(chunk.places),
    };
  }

  test('counts records of devices that wait for a window, and checks their limits all the same', async () => {
    const round = (time: number) =>
      Array.from({ length: 11 }, (_, k) =>
        message(11 * time + k, { key: `k${k}`, time, surprise: k === 10 ? 9 : 0 }),
      );
    const { chunk, counts, places } = await fill([1, 2].flatMap(round));
    expect(counts).toMatchObject({ noRoom: 2, limitViolations: 2, windowNotFull: 10 });
    expect(chunk.windows.count).toBe(10);
    expect(places.filter((place) => place < 0)).toHaveLength(2);
  });

  test('takes the records with a full window, and refers to their messages and rows', async () => {
    const { chunk, heard, messages, rows, places, counts, deadLetters } = await fill([
      message(0, { time: 1 }),
      message(1, 'rubbish'),
      message(2, { time: 2 }),
      message(3, { key: 'b', time: 1 }),
      message(4, { time: 3 }),
    ]);
    expect({ messages, rows, places }).toEqual({ messages: [2, 4], rows: [1, 3], places: [0, 1] });
    // The others have joined a window: their devices have spoken.
    expect(heard).toEqual([0, 2, 3, 4]);
    expect([...chunk.windows.timestamps.subarray(0, 4)]).toEqual([1, 2, 2, 3]);
    expect(counts.windowNotFull).toBe(2);
    expect(deadLetters.map(({ reason, origin }) => `${reason} ${origin.offset}`)).toEqual(['not_json 1']);
  });

  test('takes a record beyond a limit without a window while that is not full', async () => {
    const { chunk, messages, places, counts } = await fill([
      message(0, { time: 1, surprise: 6 }),
      message(1, { time: 2, surprise: 7 }),
    ]);
    expect({ messages, places }).toEqual({ messages: [0, 1], places: [-1, 0] });
    expect([...chunk.limits.values()].flat().map(({ actual }) => actual)).toEqual([6, 7]);
    expect(counts).toMatchObject({ limitViolations: 2, windowNotFull: 0 });
  });

  test('rejects or counts records that are not newer than the newest of their key', async () => {
    const batch = [message(0, { time: 2 }), message(1, { time: 2 }), message(2, { time: 1 })];
    const rejecting = await fill(batch);
    expect(rejecting.deadLetters.map(({ reason }) => reason)).toEqual(['duplicate', 'out_of_order']);
    const ignoring = await fill(batch, true);
    expect(ignoring.deadLetters).toEqual([]);
    expect(ignoring.counts.ignored).toEqual({ duplicate: 1, out_of_order: 1 });
  });

  test('takes warm-up records only if events and baselines lack them', async () => {
    const batch = [0, 1, 2].map((i) => message(i, { time: i }, true));
    expect(await fill(batch)).toMatchObject({ messages: [], counts: { warmUps: 3, windowNotFull: 0 } });
    const rescoring = await fill(batch, false, true);
    expect(rescoring).toMatchObject({
      heard: [0, 1, 2],
      messages: [1, 2],
      counts: { warmUps: 3, windowNotFull: 0 },
    });
    expect(rescoring.chunk.warmUp).toBe(true);
  });
});
