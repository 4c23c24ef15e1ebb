import { createRecordBatch } from '../../src/domain/record';
import { createWindowStore } from '../../src/domain/window-store';
import type { ActiveDetector } from '../../src/pipeline/pipeline';
import type { DecodedMessages } from '../../src/pipeline/windowing';
import { createCanaryWatch } from '../../src/runtime/canary-watch';
import { watchedRecords } from '../../src/scoring/canaries';
import type { DetectionPower } from '../../src/scoring/detection-power';
import { createVersionBaselines } from '../../src/state/baselines';
import type { PartitionState } from '../../src/state/partition';
import { createRandom } from '../../src/tensor';
import { createFakeDetector } from '../fake-detector';
import { createRecordedLog } from './recorded-log';

const schema = {
  channels: ['a', 'b'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [],
} as const;
const shape = { length: 4, channels: 2, conditions: 0 };
const time = { ttlMs: 60_000, intervalMs: 0, gaps: 'ignore', padding: 'none' } as const;

/** Surprise is the largest deviation of the newest record from 10, unless the detector is blind or fails. */
function createActive(version: string, sees: { now: 'all' | 'nothing' | 'error' }) {
  let disposed = false;
  const fake = createFakeDetector({
    version,
    shape,
    scoresOf({ count, values }) {
      if (sees.now === 'error' || disposed) throw new Error('the engine is gone');
      const surprise = Float64Array.from({ length: count }, (_, window) => {
        const newest = values.subarray((window * 4 + 3) * 2, (window * 4 + 4) * 2);
        return sees.now === 'all' ? Math.max(...Array.from(newest, (value) => Math.abs(value - 10))) : 0;
      });
      return { count, surprise, statistics: {}, extrapolated: new Uint8Array(count) } as never;
    },
  });
  const state = { channels: ['a', 'b'], scaler: { count: [1, 1], scale: [1, 1] } };
  const power: DetectionPower = {
    within: [1, 4, watchedRecords],
    stretches: 1,
    alarming: 0,
    faults: [{ kind: 'shift', size: 6, unit: 'σ', canaries: 1, found: [1, 1, 1] }],
  };
  const detector = { ...fake, state: state as never, dispose: () => void (disposed = true) };
  return { detector, threshold: 5, power } satisfies ActiveDetector;
}

/** @param now ms */
function createWatch(intervalMs: number, now: () => number) {
  const log = createRecordedLog();
  const live: Partial<Record<string, number>>[] = [];
  const borrowed: Promise<unknown>[] = [];
  const watch = createCanaryWatch({
    time,
    seed: 1,
    borrowed(work) {
      borrowed.push(work);
      return work;
    },
    metrics: { detectionPower: { trained: () => undefined, live: (power) => void live.push(power) } },
    log,
    intervalMs,
    now,
  });
  return { watch, log, live, borrowed };
}

function create(intervalMs = 0) {
  const sees: { now: 'all' | 'nothing' | 'error' } = { now: 'all' };
  let active = createActive('v1', sees);
  const windows = createWindowStore(shape, { ...time, maxKeys: 10 });
  const start = {
    version: 'v1',
    from: -1n,
    afterLoss: false,
    devices: { keys: [], cells: new Float64Array() },
  };
  const baselines = createVersionBaselines(start, active.detector, { maxKeys: 10, records: 0 });
  const partition = { windows, baselines } as unknown as PartitionState;
  let now = 0;
  const { watch, log, live, borrowed } = createWatch(intervalMs, () => now);
  const random = createRandom(2);
  let sent = 0;

  /** One batch of records of two devices, around 10, after which the work that it started is done. */
  async function deliver(count = 2 * watchedRecords, value = () => 10 + random.normal() / 3): Promise<void> {
    const records = createRecordBatch(schema, count);
    for (let row = 0; row < count; row++, sent++) {
      records.keys[row] = `device-${sent % 2}`;
      records.timestamps[row] = 1000 * sent;
      records.values.set([value(), value()], 2 * row);
      records.count++;
      const { keys, timestamps, values, conditions } = records;
      if (windows.push(keys[row]!, row, timestamps, values, conditions) === 'ready')
        baselines.of(keys[row]!, String(sent))!.enter(values, 2 * row, timestamps[row]!);
    }
    const rows = Array.from({ length: count }, (_, row) => row);
    const messages = rows.map((row) => ({ origin: { topic: 't', partition: 0, offset: String(row) } }));
    const decoded = { records, rows, messages } as unknown as DecodedMessages;
    watch.observe(decoded, partition, active);
    await Promise.all(borrowed);
    now += 1000;
  }

  return {
    sees,
    live,
    log,
    watch,
    deliver,
    borrowed,
    baselines,
    windows,
    swap: (version: string) => (active = createActive(version, sees)),
  };
}

async function deliverMany(deliver: () => Promise<void>, batches: number): Promise<void> {
  for (let i = 0; i < batches; i++) await deliver();
}

test('the power of live records is exported from the eighth stretch on', async () => {
  const { deliver, live, borrowed, watch } = create();
  for (let batches = 0; borrowed.length < 7; batches++) {
    expect(batches).toBeLessThan(50);
    await deliver();
  }
  expect(live).toEqual([]);
  await deliverMany(deliver, 4);
  expect(live.length).toBeGreaterThan(0);
  // A spike or a shift of 6 deviations from within 1 of 10 passes a threshold of 5; one of 1.5 does not.
  expect(live.at(-1)).toMatchObject({ spike: 2 / 3, 'frozen-device': 0 });
  expect(live.at(-1)!['shift']).toBeCloseTo(1 / 3, 10);
  await watch.stop();
});

test('a detector that has gone blind is exported and logged once', async () => {
  const { deliver, live, log, sees } = create();
  await deliverMany(deliver, 20);
  expect(live.length).toBeGreaterThan(0);
  const logged = log.entries.length;
  sees.now = 'nothing';
  await deliverMany(deliver, 56);
  expect(live.at(-1)).toMatchObject({ spike: 0, shift: 0 });
  const blind = log.entries.filter(({ message }) => message.includes('below half'));
  expect(blind).toHaveLength(1);
  expect(log.entries.length).toBeLessThanOrEqual(logged + 1);
});

test('windows and memory of the devices stay as the records have left them', async () => {
  const { deliver, baselines, windows, borrowed } = create();
  const without = create();
  await without.watch.stop();
  await deliverMany(deliver, 6);
  await deliverMany(without.deliver, 6);
  expect(borrowed.length).toBeGreaterThan(0);
  expect(without.borrowed).toHaveLength(0);
  expect(baselines.snapshot()).toEqual(without.baselines.snapshot());
  expect(windows.snapshot()).toEqual(without.windows.snapshot());
});

test('stretches that alarm without a fault do not count', async () => {
  const { deliver, live, borrowed } = create();
  for (let i = 0; i < 20; i++) await deliver(2 * watchedRecords, () => 99);
  expect(borrowed.length).toBeGreaterThan(8);
  expect(live).toEqual([]);
});

test('a new version begins again', async () => {
  const { deliver, live, swap } = create();
  await deliverMany(deliver, 20);
  const before = live.length;
  expect(before).toBeGreaterThan(0);
  swap('v2');
  await deliverMany(deliver, 4);
  expect(live).toHaveLength(before);
});

test('the interval between two stretches is kept', async () => {
  const { deliver, borrowed } = create(10_000);
  await deliverMany(deliver, 40);
  expect(borrowed.length).toBeGreaterThanOrEqual(3);
  expect(borrowed.length).toBeLessThanOrEqual(4);
});

test('an error is logged and delays nothing; after the end nothing is begun', async () => {
  const { deliver, log, sees, watch, borrowed } = create();
  sees.now = 'error';
  await deliverMany(deliver, 3);
  expect(log.entries).toContainEqual({
    level: 'warn',
    message: 'detection power could not be measured',
    fields: { err: expect.any(Error) as Error },
  });
  await watch.stop();
  const ended = borrowed.length;
  await deliverMany(deliver, 4);
  expect(borrowed).toHaveLength(ended);
});

test('an image gets its faults at once: it has no window of others, and no memory', async () => {
  const image = { width: 6, height: 5, colour: 'grey' } as const;
  const pixels = 30;
  // Surprise is the number of pixels that differ from a grey image with a bright corner.
  const normal = Uint8Array.from({ length: pixels }, (_, i) => (i === 0 ? 200 : 100));
  const fake = createFakeDetector({
    version: 'v1',
    shape: { length: 1, channels: pixels, conditions: 0, pixels: true },
    scoresOf({ count, values }) {
      const surprise = Float64Array.from(
        { length: count },
        (_, i) =>
          values
            .subarray(i * pixels, (i + 1) * pixels)
            .filter((value, at) => Math.abs(value - normal[at]!) > 40).length,
      );
      return { count, surprise, statistics: {}, extrapolated: new Uint8Array(count) } as never;
    },
  });
  const active: ActiveDetector = { detector: { ...fake, state: { image } as never }, threshold: 2 };
  const { watch, live, borrowed } = createWatch(0, () => 0);
  const records = createRecordBatch({ ...schema, kind: 'image', image, channels: [] }, 1);
  records.values.set(normal);
  records.count = 1;
  const decoded = { records, rows: [0], messages: [] } as unknown as DecodedMessages;
  for (let i = 0; i < 8; i++) {
    watch.observe(decoded, {} as PartitionState, active);
    await Promise.all(borrowed);
  }
  expect(live).toHaveLength(1);
  // Both corners of a flipped image differ; a shift of a fifth of the range is 51, of a twentieth 13.
  expect(live[0]).toMatchObject({ flip: 1, 'colour-shift': 0.5 });
  expect(Object.keys(live[0]!).sort()).toEqual([
    'blot',
    'blur',
    'colour-shift',
    'cut-paste',
    'flip',
    'noise',
    'occlusion',
    'scratch',
    'turn',
  ]);
});
