/**
 * Random records, half of them damaged, through decoding and windows: each is used, or rejected with a reason. `npm run fuzz`
 * sends a million; the test sends fewer, of one seed.
 */
import { createWindowBatch } from '../../src/domain/window';
import { createWindowStore } from '../../src/domain/window-store';
import { DecodeError, rejectReasons, type RejectReason } from '../../src/errors';
import type { Message } from '../../src/sources/source';
import { seededUniform } from '../calibration/seeded';
import { removeFolders } from '../config/folder';
import { createFormats, start, type FuzzedFormat } from './records';
import { fuzzing } from './settings';

jest.setTimeout(600_000);
afterAll(removeFolders);

const batchRecords = 500;
const { seed } = fuzzing;

/** Outcomes of the records of one format. */
interface Outcome {
  ready: number;
  not_full: number;
  stale: number;
  rejected: Partial<Record<RejectReason, number>>;
  slowestBatchMs: number;
}

const messageOf = (value: Buffer | null, index: number): Message => ({
  key: Buffer.from(`key-${index % 10}`),
  value,
  timestamp: start + index * 100,
  origin: { topic: 'in', partition: 0, offset: String(index) },
  warmUp: false,
});

/** Message `index` of a run: the same for the same seed. */
function messageAt(format: FuzzedFormat, index: number): Message {
  // Neighbouring seeds differ after the first draws.
  const random = seededUniform(Math.imul(seed, 0x9e3779b1) ^ index);
  random();
  return messageOf(random() < 0.001 ? null : format.value(random, index), index);
}

/** Decodes records and fills windows. An error names the seed and the record. */
async function send(format: FuzzedFormat, count: number, onBatch: () => void): Promise<Outcome> {
  const { recordDecoder, settings } = format;
  const windows = createWindowStore(recordDecoder.shape, settings.window);
  const batch = createWindowBatch(recordDecoder.shape, batchRecords);
  const outcome: Outcome = { ready: 0, not_full: 0, stale: 0, rejected: {}, slowestBatchMs: 0 };
  for (let from = 0; from < count; from += batchRecords) {
    const indices = Array.from({ length: Math.min(batchRecords, count - from) }, (_, i) => from + i);
    const messages = indices.map((index) => messageAt(format, index));
    const now = start + from * 100 + 60_000;
    const began = performance.now();
    const { records, rows } = await decodeOrName(format, messages, now);
    outcome.slowestBatchMs = Math.max(outcome.slowestBatchMs, performance.now() - began);
    expect(rows).toHaveLength(messages.length);
    batch.count = 0;
    for (const row of rows) {
      if (row instanceof DecodeError) {
        if (row.message.length > 400) throw new Error(`a message is too long: ${row.message}`);
        outcome.rejected[row.reason] = (outcome.rejected[row.reason] ?? 0) + 1;
        continue;
      }
      const key = records.keys[row]!;
      const result = windows.push(key, row, records.timestamps, records.values, records.conditions);
      if (result === 'ready') windows.copy(key, batch);
      outcome[result === 'ready' || result === 'not_full' ? result : 'stale']++;
    }
    expect(windows.size).toBeLessThanOrEqual(settings.window.maxKeys);
    onBatch();
  }
  return outcome;
}

async function decodeOrName(
  { name, recordDecoder }: FuzzedFormat,
  messages: readonly Message[],
  now: number,
) {
  try {
    return await recordDecoder.decode(messages, now);
  } catch (together) {
    for (const message of messages) {
      try {
        await recordDecoder.decode([message], now);
      } catch (cause) {
        const record = message.value?.toString('base64') ?? 'null';
        throw new Error(
          `${name}: record ${message.origin.offset} of seed ${seed} ended it; in base64: ${record}`,
          { cause },
        );
      }
    }
    throw new Error(`${name}: a batch of seed ${seed} ended it, but none of its records alone`, {
      cause: together,
    });
  }
}

const collect = (globalThis as { gc?: () => void }).gc;

/** Bytes in use after garbage collection. */
function used(): number {
  collect?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${fuzzing.records} records of every format: each is counted once, and nothing else happens`, async () => {
  const summary: string[] = [];
  const reasons = new Set<string>();
  for (const { format, share } of await createFormats(seed)) {
    const count = Math.ceil(fuzzing.records * share);
    const began = performance.now();
    let batches = 0;
    let early = 0;
    const outcome = await send(format, count, () => {
      // Caches, windows and code have their final size by then.
      if (++batches === Math.ceil(count / batchRecords / 4)) early = used();
    });
    const seconds = (performance.now() - began) / 1000;
    const grown = (used() - early) / 2 ** 20;
    const rejected = Object.values(outcome.rejected).reduce((sum, n) => sum + n, 0);

    expect([format.name, outcome.ready + outcome.not_full + outcome.stale + rejected]).toEqual([
      format.name,
      count,
    ]);
    // Half of the records are valid.
    expect([format.name, rejected / count < 0.6, rejected / count > 0.1]).toEqual([format.name, true, true]);
    expect([format.name, outcome.ready > 0]).toEqual([format.name, true]);
    if (fuzzing.isLong) expect([format.name, outcome.slowestBatchMs < 10_000]).toEqual([format.name, true]);
    if (collect !== undefined)
      expect([format.name, grown < 32 ? 'flat' : `grown by ${grown} MiB`]).toEqual([format.name, 'flat']);
    for (const reason of Object.keys(outcome.rejected)) {
      expect(rejectReasons).toContain(reason);
      reasons.add(reason);
    }
    summary.push(
      `${format.name}: ${count} records, ${rejected} refused for ${Object.keys(outcome.rejected).length} reasons, ` +
        `${seconds.toFixed(1)} s, slowest batch ${outcome.slowestBatchMs.toFixed(0)} ms, memory ${grown.toFixed(1)} MiB`,
    );
  }
  // An unhandled rejection would fail the test by itself.
  await new Promise(setImmediate);
  // Enough different reasons occurred.
  expect(reasons.size).toBeGreaterThan(15);
  if (fuzzing.isLong) process.stdout.write(`seed ${seed}\n${summary.join('\n')}\n`);
});

test('the same seed creates the same records', async () => {
  const once = async (): Promise<string[]> =>
    (await createFormats(seed)).flatMap(({ format }) =>
      Array.from({ length: 50 }, (_, index) => messageAt(format, index).value?.toString('hex') ?? ''),
    );
  expect(await once()).toEqual(await once());
});
