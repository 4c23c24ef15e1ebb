import type { DetectorSettings } from '../../src/config/settings';
import { createCategoryTable } from '../../src/domain/condition';
import { createRecordBatch } from '../../src/domain/record';
import type { ActiveDetector } from '../../src/pipeline/pipeline';
import type { DecodedMessages } from '../../src/pipeline/windowing';
import type { Label } from '../../src/domain/label';
import { createShadow } from '../../src/runtime/shadow';
import type { PartitionState } from '../../src/state/partition';
import { createFakeDetector } from '../fake-detector';

const schema = {
  channels: ['a'],
  missingChannels: 'mask',
  extraChannels: 'reject',
  conditions: [],
} as const;
const shape = { length: 2, channels: 1, conditions: 0 };

/** Surprise is the newest value plus `more`, or 0 where the device has a new normal; a value of 99 ends the engine. */
function createActive(version: string, more: number) {
  const disposed: string[] = [];
  const fake = createFakeDetector({
    version,
    shape,
    scoresOf({ count, values }, memoryOf) {
      const newest = Float64Array.from({ length: count }, (_, window) => values[2 * window + 1]!);
      if (newest.includes(99)) throw new Error('the engine is gone');
      const surprise = newest.map((value, window) => (memoryOf?.(window)?.mark()[0] ? 0 : value + more));
      return {
        count,
        surprise,
        statistics: {},
        extrapolated: new Uint8Array(count),
        unknownConditions: 0,
        contributions: () => [],
        explain: () => {
          throw new Error('not explained here');
        },
      };
    },
  });
  const detector = { ...fake, dispose: () => void disposed.push(version) };
  return { active: { detector, threshold: 3 } satisfies ActiveDetector, disposed };
}

const noLabels: readonly Label[] = [];

function create({ devices = 2, records = 1000, more = 1, measures = true, labels = noLabels } = {}) {
  const state = { progress: 1, labels };
  const scored: number[] = [];
  const { active: model, disposed } = createActive('v2', more);
  const { active: inUse } = createActive('v1', 0);
  const settings = {
    detector: 'pump',
    source: { kind: 'file', file: {} },
    record: { ...schema, kind: 'sensors', signals: [] },
    window: { length: 2, maxKeys: 100, ttlMs: 1e9, intervalMs: 0, gaps: 'ignore', padding: 'none' },
    calibration: { falseAlarmTarget: { kind: 'ratio', ratio: 0.001 } },
    events: {
      openRecords: 1,
      openWindow: 1,
      minRecords: 1,
      minLengthMs: 0,
      closeAfter: 1,
      silenceMs: 1e9,
      suppressForMs: 0,
      acceptAfter: 0,
      silentDevices: true,
    },
    training: { challenger: { devices, records } },
  } as unknown as DetectorSettings;
  const shadow = createShadow({
    settings,
    decoder: { shape, categories: [], table: createCategoryTable() },
    model,
    measures,
    progress: () => state.progress,
    labels: () => state.labels,
    since: 5000,
    borrowed: (work) => work,
    metrics: { shadowScored: (count) => void scored.push(count) },
  });
  const partition = { topic: 'readings', partition: 0 } as PartitionState;
  let sent = 0;

  /** One batch, a record of each device, which the version in use has scored before. */
  async function deliver(values: Record<string, number>, warmUp = false): Promise<void> {
    const keys = Object.keys(values);
    const batch = createRecordBatch(schema, keys.length);
    const timestamp = 1000 * ++sent;
    const messages = keys.map((key, row) => {
      batch.keys[row] = key;
      batch.timestamps[row] = timestamp;
      batch.values[row] = values[key]!;
      batch.count++;
      const offset = String(sent * 100 + row);
      return {
        origin: { topic: 'readings', partition: 0, offset },
        warmUp,
      } as DecodedMessages['messages'][number];
    });
    for (const key of keys)
      shadow.witness({
        partition: 0,
        key,
        timestamp,
        surprise: values[key]!,
        aboveBaseline: values[key]!,
        threshold: 3,
        anomalous: values[key]! >= 3,
      });
    shadow.observe({ messages, records: batch, rows: keys.map((_, row) => row) }, partition, inUse);
    await shadow.keepUp(true);
  }
  return { shadow, deliver, scored, disposed, state };
}

test('scores the records of a few devices, and compares them with those of the version in use', async () => {
  const { shadow, deliver, scored } = create();
  for (let i = 0; i < 4; i++) await deliver({ a: 1, b: 2, c: 1, d: 1 });
  await deliver({ a: 2.5, b: 4, c: 1, d: 1 });
  // One device more with each of the first two batches; the first record of each only begins its window.
  expect(scored).toEqual([1, 2, 2, 2, 2]);
  const { sample, problem } = shadow.evidence();
  expect(problem).toBeUndefined();
  expect(sample.records).toBe(7);
  expect(sample.surprises.every(([inUse, own]) => own === inUse + 1)).toBe(true);
  await shadow.stop();
});

test('counts the alarms of both', async () => {
  const { shadow, deliver } = create({ devices: 1 });
  for (const value of [1, 1, 2.5, 4, 1]) await deliver({ a: value });
  expect(shadow.evidence().sample).toMatchObject({ records: 4, alarms: { inUse: 1, shadow: 2 } });
  await shadow.stop();
});

describe('labels of people', () => {
  /** The alarms in the shadow of one device that works like this from its fifth record on, at 5 s. */
  async function alarmsOf(given: Partial<Label>, { stretch = false } = {}): Promise<number> {
    const { shadow, deliver, state } = create({ devices: 1, records: stretch ? 40 : 1000 });
    state.progress = 0.1;
    for (const value of [1, 1, 1, 1, 5, 5]) await deliver({ a: value });
    state.labels = [{ key: 'a', from: 5000, to: 6000, label: 'new normal', ...given }];
    if (stretch) {
      // It has scored its records of this stretch, and begins anew with the device in the next one.
      for (let i = 0; i < 10; i++) await deliver({ a: 1 });
      state.progress = 0.9;
      for (let i = 0; i < 6; i++) await deliver({ a: 5 });
    } else for (let i = 0; i < 4; i++) await deliver({ a: 5 });
    const { alarms } = shadow.evidence().sample;
    await shadow.stop();
    return alarms.shadow;
  }

  test('a new normal is one in the shadow from the next batch on', async () => {
    expect(await alarmsOf({ key: 'b' })).toBe(6);
    expect(await alarmsOf({ label: 'normal' })).toBe(6);
    expect(await alarmsOf({})).toBe(2);
  });

  test('it stays one where the shadow begins anew with the device, if it is of the time of the trial', async () => {
    const stretch = true;
    expect(await alarmsOf({}, { stretch })).toBeLessThan(await alarmsOf({ from: 0, to: 4999 }, { stretch }));
  });
});

test('a process that begins a shadow after the label, as after a restart, knows it', async () => {
  const alarms = [];
  for (const from of [0, 5000]) {
    const labels: Label[] = [{ key: 'a', from, to: from + 500, label: 'new normal' }];
    const { shadow, deliver } = create({ devices: 1, labels });
    for (let i = 0; i < 20; i++) await deliver({ a: i < 10 ? 1 : 5 });
    alarms.push(shadow.evidence().sample.alarms.shadow);
    await shadow.stop();
  }
  expect(alarms).toEqual([10, 1]);
});

test('leaves out warm-up: other processes have scored these records', async () => {
  const { shadow, deliver, scored } = create({ devices: 1 });
  for (let i = 0; i < 3; i++) await deliver({ a: 1 }, true);
  expect(scored).toEqual([]);
  await shadow.stop();
});

test('spreads its records over its time, and rests when it has scored those of a stretch', async () => {
  const { shadow, deliver, scored, state } = create({ devices: 1, records: 100 });
  state.progress = 0;
  for (let i = 0; i < 50; i++) await deliver({ a: 1 });
  // A tenth, after the one that begins the window.
  expect(shadow.evidence().sample.records).toBe(10);
  expect(scored).toHaveLength(11);
  state.progress = 0.1;
  for (let i = 0; i < 50; i++) await deliver({ a: 1 });
  expect(shadow.evidence().sample.records).toBe(20);
  state.progress = 5;
  for (let i = 0; i < 500; i++) await deliver({ a: 1 });
  expect(shadow.evidence().sample.records).toBe(100);
  await shadow.stop();
});

test('keeps a bounded number of pairs, from all of its time', async () => {
  const { shadow, deliver } = create({ devices: 1, records: 10_000 });
  for (let i = 0; i < 3000; i++) await deliver({ a: i + 0.5 });
  const { surprises } = shadow.evidence().sample;
  expect(surprises.length).toBeGreaterThanOrEqual(1000);
  expect(surprises.length).toBeLessThan(2000);
  expect(surprises[0]![0]).toBeLessThan(10);
  expect(surprises.at(-1)![0]).toBeGreaterThan(2990);
  await shadow.stop();
});

test('measures the time of both versions, unless nothing may depend on it', async () => {
  const timed = create({ devices: 1 });
  for (let i = 0; i < 4; i++) await timed.deliver({ a: 1 });
  const { inUse, shadow } = timed.shadow.evidence().secondsPerRecord!;
  expect(inUse).toBeGreaterThan(0);
  expect(shadow).toBeGreaterThan(0);
  await timed.shadow.stop();

  const untimed = create({ devices: 1, measures: false });
  for (let i = 0; i < 4; i++) await untimed.deliver({ a: 1 });
  expect(untimed.shadow.evidence().secondsPerRecord).toBeUndefined();
  await untimed.shadow.stop();
});

test('an error in scoring ends it, and is a reason to refuse the version', async () => {
  const { shadow, deliver, scored } = create({ devices: 1 });
  for (const value of [1, 1, 99, 1, 1]) await deliver({ a: value });
  expect(shadow.evidence().problem).toBe('it cannot score: the engine is gone');
  expect(scored).toEqual([1, 1]);
  await shadow.stop();
});

test('disposes its version when it ends', async () => {
  const { shadow, deliver, disposed } = create();
  await deliver({ a: 1 });
  await shadow.stop();
  await shadow.stop();
  expect(disposed).toEqual(['v2']);
  await deliver({ a: 1 });
  expect(disposed).toEqual(['v2']);
});
