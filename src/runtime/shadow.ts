/**
 * A model version that scores a sample of the live records in the shadow of the one in use. It has windows, memory and events of its
 * own, so that neither the state nor a detection depends on it, and nothing that it finds is written.
 *
 * Its cost is bounded: a few devices at a time, and a number of records that is spread over ten stretches of its time. Records do
 * not wait for it; if it falls behind, the next batch does.
 */
import type { TrialEvidence } from '../calibration/gates';
import type { DetectorSettings } from '../config/settings';
import { createLimitCheck } from '../domain/signal';
import type { WitnessedRecord } from '../domain/witnessed-record';
import type { Label } from '../domain/label';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import { createScoring } from '../pipeline/scoring';
import type { DecodedMessages } from '../pipeline/windowing';
import { engineRows } from '../scoring/encode';
import type { Detector } from '../scoring/detector';
import { createPartitionStates } from '../state/partitions';
import type { PartitionState } from '../state/partition';
import { stateRules, type StateRules } from '../state/rules';
import { messageOf } from '../system/error-text';

export interface ShadowParts {
  settings: DetectorSettings;
  /** Of the record decoder. */
  decoder: Pick<StateRules, 'shape' | 'categories' | 'table'>;
  /** The version in the shadow, which is disposed with it. */
  model: ActiveDetector;
  /** Whether the time that scoring takes is measured: not where the detections must not depend on it. */
  measures: boolean;
  /** Share of the time of the shadow that has passed. */
  progress: () => number;
  /** Labels of people that are known now. */
  labels: () => readonly Label[];
  /** When its trial began, event time, Unix ms. */
  since: number;
  /** Keeps the model in use until the promise settles. */
  borrowed: <T>(work: Promise<T>) => Promise<T>;
  metrics: Pick<DetectorMetrics, 'shadowScored'>;
}

const stretches = 10;
/** A batch gives at most this share of the devices, so that they come from several batches. */
const devicesPerBatch = 0.25;
/** Largest number of pairs of surprises that are kept: every second one is dropped when there are more. */
const mostPairs = 2000;
/** Its multiples, modulo 1, are spread evenly. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;
/** Batches that may wait while records continue. */
const mostWaiting = 2;
/** Runs that measure how long scoring with a version takes: the shortest of them counts. */
const timedRuns = 5;

export type Shadow = ReturnType<typeof createShadow>;

export function createShadow({ settings, decoder, model, ...parts }: ShadowParts) {
  const { devices: mostDevices, records: mostRecords } = settings.training.challenger;
  const { measures, progress, borrowed, metrics } = parts;
  const labels = createLastingLabels(parts.labels, parts.since);
  const rules: StateRules = {
    // Its events are not counted.
    ...stateRules({ ...settings, events: { ...settings.events, budget: 'none' } }, decoder),
    windows: { ...settings.window, maxKeys: mostDevices },
    labels,
  };
  const score = createScoring({
    detectorName: settings.detector,
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    stale: { duplicate: 'ignore', out_of_order: 'ignore' },
    sinks: [],
    metrics: { drift: () => undefined },
    now: Date.now,
    witness: { observe: compare, report: (events) => events },
  });
  const { detector } = model;
  const sample = { records: 0, alarms: { inUse: 0, shadow: 0 }, surprises: [] as [number, number][] };
  let every = 1;
  let secondsPerRecord: TrialEvidence['secondsPerRecord'];
  let problem: string | undefined;

  /** The devices of this stretch, and the state of their partitions. */
  let devices = new Set<string>();
  let states = createPartitionStates(rules);
  let timed = false;
  /** In [0, 1): where in a batch the last device was found. */
  let place = 0;
  /** Live records of these devices as the version in use has scored them, by `idOf`. */
  let scored = new Map<string, { surprise: number; anomalous: boolean }>();
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  let stopped = false;

  function isResting(): boolean {
    const stretch = Math.min(stretches - 1, Math.floor(stretches * progress())) + 1;
    return sample.records >= (mostRecords * stretch) / stretches;
  }

  /** Other devices in the next stretch. */
  function rest(): void {
    if (devices.size === 0) return;
    devices = new Set();
    states = createPartitionStates(rules);
    scored = new Map();
    timed = false;
  }

  /** Devices from all over a batch: neighbours may be of one kind, and each batch may have the same order. */
  function choose({ records, rows }: DecodedMessages): void {
    const wanted = Math.min(Math.ceil(devicesPerBatch * mostDevices), mostDevices - devices.size);
    for (let i = 0; i < wanted; i++) {
      place = (place + goldenRatio) % 1;
      const row = rows[Math.floor(place * rows.length)];
      if (typeof row === 'number') devices.add(records.keys[row]!);
    }
  }

  function observe(
    decoded: DecodedMessages,
    { topic, partition }: Pick<PartitionState, 'topic' | 'partition'>,
  ): void {
    if (stopped || problem !== undefined || decoded.rows.length === 0) return;
    if (isResting()) {
      rest();
      return;
    }
    if (devices.size < mostDevices) choose(decoded);
    const { records } = decoded;
    const chosen = decoded.rows.flatMap((row, i) =>
      typeof row === 'number' && !decoded.messages[i]!.warmUp && devices.has(records.keys[row]!) ? [i] : [],
    );
    if (chosen.length === 0) return;
    const messages = chosen.map((i) => decoded.messages[i]!);
    const rows = chosen.map((i) => decoded.rows[i]!);
    const state = states.of(topic, partition);
    waiting++;
    last = last.then(() => run({ messages, records, rows }, state)).finally(() => waiting--);
  }

  async function run({ messages, records, rows }: DecodedMessages, state: PartitionState): Promise<void> {
    if (stopped || problem !== undefined) return;
    try {
      const began = performance.now();
      const { topic, partition } = state;
      const batch = { topic, partition, messages, lag: undefined };
      await state.prepare(batch, detector);
      await score(batch, { records, rows }, state, model);
      metrics.shadowScored(messages.length, (performance.now() - began) / 1000);
      for (const row of rows)
        scored.delete(idOf(partition, records.keys[row as number]!, records.timestamps[row as number]!));
    } catch (error) {
      problem = `it cannot score: ${messageOf(error)}`;
    }
  }

  /** Called for each record that the version in the shadow has scored. */
  function compare({ partition, key, timestamp, surprise, anomalous }: WitnessedRecord): void {
    const inUse = scored.get(idOf(partition, key, timestamp));
    if (inUse === undefined) return;
    sample.records++;
    if (inUse.anomalous) sample.alarms.inUse++;
    if (anomalous) sample.alarms.shadow++;
    if (sample.records % every !== 0) return;
    sample.surprises.push([inUse.surprise, surprise]);
    if (sample.surprises.length < mostPairs) return;
    sample.surprises = sample.surprises.filter((_, i) => i % 2 === 1);
    every *= 2;
  }

  /** Times both versions on the same windows, once in each stretch. */
  function time(inUse: Detector): void {
    if (!measures || timed || stopped || problem !== undefined) return;
    const windowsOf = (one: Detector) => {
      const batch = one.createBatch(engineRows);
      for (const { windows } of states.partitions)
        for (const key of devices)
          if (batch.count < engineRows && windows.isFull(key)) windows.copy(key, batch);
      return batch;
    };
    const [ofInUse, ofShadow] = [windowsOf(inUse), windowsOf(detector)];
    if (ofInUse.count === 0) return;
    timed = true;
    waiting++;
    const work = async (): Promise<void> => {
      const shortest = { inUse: Infinity, shadow: Infinity };
      for (let i = 0; i < timedRuns && !stopped; i++) {
        shortest.inUse = Math.min(shortest.inUse, await secondsOf(() => inUse.assess(ofInUse)));
        shortest.shadow = Math.min(shortest.shadow, await secondsOf(() => detector.assess(ofShadow)));
      }
      const { count } = ofInUse;
      secondsPerRecord = { inUse: shortest.inUse / count, shadow: shortest.shadow / count };
    };
    // At once, so that the version in use is not disposed before its turn.
    last = borrowed(last.then(work))
      .catch((error: unknown) => void (problem = `it cannot score: ${messageOf(error)}`))
      .finally(() => waiting--);
  }

  return {
    version: detector.version,
    /** Call with each live record that the version in use has scored. */
    witness({ partition, key, timestamp, surprise, anomalous }: WitnessedRecord): void {
      if (devices.has(key)) scored.set(idOf(partition, key, timestamp), { surprise, anomalous });
    },
    /** Call after each batch, with the version that has scored it. */
    observe(decoded: DecodedMessages, partition: PartitionState, inUse: ActiveDetector): void {
      observe(decoded, partition);
      time(inUse.detector);
    },
    /** Resolves at once unless several batches wait for the shadow. @param wholly wait until it has scored everything */
    async keepUp(wholly: boolean): Promise<void> {
      if (waiting > (wholly ? 0 : mostWaiting)) await last;
    },
    evidence: () => ({
      sample,
      ...(secondsPerRecord && { secondsPerRecord }),
      ...(problem !== undefined && { problem }),
    }),
    /** Ends the work in progress and disposes the version. Idempotent. */
    async stop(): Promise<void> {
      if (stopped) return;
      stopped = true;
      await last;
      detector.dispose();
    },
  };
}

/**
 * The labels, in which a new normal of the time since the trial began lasts: it may begin with the device only afterwards, in another
 * stretch, process, or life of one. One that has another label since does not last.
 */
export function createLastingLabels(read: () => readonly Label[], since: number): () => readonly Label[] {
  let from: readonly Label[] | undefined;
  let lasting: readonly Label[] = [];
  return () => {
    const labels = read();
    if (labels === from) return lasting;
    from = labels;
    lasting = labels.map((one, i) => {
      const { label, key, to } = one;
      const isReplaced = (): boolean =>
        labels.some(
          (later, j) =>
            j > i && (later.key === key || later.key === '') && later.from <= to && later.to >= one.from,
        );
      return label === 'new normal' && to >= since && !isReplaced() ? { ...one, to: Infinity } : one;
    });
    return lasting;
  };
}

function idOf(partition: number, key: string, timestamp: number): string {
  return `${partition} ${timestamp} ${key}`;
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}
