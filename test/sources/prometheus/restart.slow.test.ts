/** Whole processes over a fake Prometheus: what is scored twice after a crash has the same identity and the same score. */
import fc from 'fast-check';
import type { Detection } from '../../../src/domain/detection';
import { createPrometheusSource } from '../../../src/sources/prometheus/prometheus';
import type { OffsetStore } from '../../../src/sources/source';
import { createMemoryStore, createProcess } from '../../state/harness';
import {
  clientOf,
  createSimulatedClock,
  sourceSettings,
  startFakePrometheus,
  stopFakes,
  freeLease,
} from './fake-prometheus';

const stepMs = 10;
const delayMs = 30;
const devices = 6;
const steps = 400;

const random = (i: number): number => Math.abs(Math.sin((i + 1) * 12.9898) * 43758.5453) % 1;

/** Devices that pause now and then, on top of levels that change; all are away between steps 200 and 230. */
const fleet = Array.from({ length: devices }, (_, d) => ({
  labels: { instance: `k${d}` },
  at(time: number) {
    const step = Math.round(time / stepMs);
    if ((step >= 200 && step < 230) || random(Math.floor(step / 7) * devices + d) > 0.9) return undefined;
    return random(step * devices + d) / 2 + Math.floor(3 * random(Math.floor(step / 40))) / 2;
  },
}));

function createDisk() {
  let stored: bigint | undefined = 1n;
  const offsets: OffsetStore = {
    load: () => Promise.resolve(stored),
    save(_, offset) {
      stored = offset;
      return Promise.resolve();
    },
  };
  return { offsets, states: createMemoryStore() };
}

/**
 * Runs a process until a time. A crash: nothing of what is scored after `crashAt` reaches the disk.
 */
async function runProcess(
  disk: ReturnType<typeof createDisk>,
  url: string,
  from: number,
  to: number,
  crashAt: number,
) {
  const clock = createSimulatedClock(from);
  const isAlive = () => clock.now() < crashAt;
  const process = createProcess({
    store: {
      load: disk.states.load,
      checksum: disk.states.checksum,
      save: (...state) => (isAlive() ? disk.states.save(...state) : Promise.reject(new Error('crashed'))),
    },
    saveEvery: 5 * stepMs,
    windows: { maxKeys: 100 },
    timeField: 'timestamp',
  });
  const source = createPrometheusSource({
    settings: {
      ...sourceSettings,
      queries: [{ name: 'value', text: 'value' }],
      stepMs,
      delayMs,
      overlapMs: 100,
      warmUpMs: 200,
      maxBatchRecords: 20,
    },
    queryRange: clientOf({ url }),
    observer: { error: () => undefined, info: () => undefined, gap: () => undefined },
    restorePoints: {
      keepOnly: () => undefined,
      restorePoint: (_, liveFrom) => process.states.of('prometheus', 0).restorePoint(liveFrom),
    },
    offsets: {
      load: disk.offsets.load,
      save: (...offset) => (isAlive() ? disk.offsets.save(...offset) : Promise.reject(new Error('crashed'))),
    },
    acquireLease: freeLease,
    log: { info: () => undefined, warn: () => undefined },
    stopTimeoutMs: 1_000,
    clock,
  });
  const run = source.run(process.handle);
  for (let time = from + stepMs; time <= to; time += stepMs) await clock.goTo(time);
  await source.stop();
  await run;
  return process;
}

const identity = ({ key, timestamp }: Detection) => `${key} ${timestamp}`;
/** What must not depend on interruptions. */
const content = ({ surprise, threshold, anomalous, baseline, incomplete, missing }: Detection) =>
  JSON.stringify({ surprise, threshold, anomalous, baseline, incomplete, missing });

afterAll(stopFakes);

test('crashes at any time skip nothing, and what is scored twice has the same identity and score', async () => {
  const { url } = await startFakePrometheus({ value: fleet });
  const end = steps * stepMs;
  const whole = await runProcess(createDisk(), url, stepMs, end, Infinity);
  const expected = new Map(whole.detections.map((one) => [identity(one), content(one)]));
  expect(expected.size).toBe(whole.detections.length);
  expect(expected.size).toBeGreaterThan(1_000);
  expect(whole.detections.filter(({ anomalous }) => anomalous).length).toBeGreaterThan(50);
  const eventIds = new Set(whole.events.map(({ id }) => id));
  expect(eventIds.size).toBeGreaterThan(5);

  let twice = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ at: fc.integer({ min: 20, max: steps - 20 }), lostSteps: fc.nat(8), away: fc.nat(15) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      async (crashes) => {
        const disk = createDisk();
        const detections: Detection[] = [];
        const events: string[] = [];
        let now = stepMs;
        const inOrder = crashes.sort((a, b) => a.at - b.at);
        for (const { at, lostSteps, away } of [...inOrder, { at: steps, lostSteps: 0, away: 0 }]) {
          const until = at * stepMs;
          if (until <= now) continue;
          const crashAt = at === steps ? Infinity : until + 1 - lostSteps * stepMs;
          const process = await runProcess(disk, url, now, until, crashAt);
          expect(process.errors.filter((reason) => reason !== 'unsaved')).toEqual([]);
          detections.push(...process.detections);
          events.push(...process.events.map(({ id }) => id));
          now = until + away * stepMs;
        }
        const found = new Map<string, string>();
        for (const one of detections) {
          const before = found.get(identity(one));
          if (before !== undefined) {
            twice++;
            expect(content(one)).toBe(before);
          }
          found.set(identity(one), content(one));
        }
        expect(found).toEqual(expected);
        expect(new Set(events)).toEqual(eventIds);
      },
    ),
    { numRuns: 15, seed: 1 },
  );
  expect(twice).toBeGreaterThan(50);
}, 120_000);
