/**
 * A model version that scores a sample of the live records in the shadow of the one in use. It has its own windows, memory and
 * events, so it affects neither the state nor any detection, and nothing that it finds is written.
 *
 * Its cost is bounded: a few devices at a time, and a number of records that is spread over ten stretches of its time. Records
 * do not wait for it, but if it falls behind, the next batch does.
 */
import type { TrialEvidence } from '../calibration/gates';
import type { DetectorSettings } from '../config/settings';
import { createLimitCheck } from '../domain/signal';
import type { WindowBatch } from '../domain/window';
import type { WitnessedRecord } from '../domain/witnessed-record';
import type { Label } from '../domain/label';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import { createScoring } from '../pipeline/scoring';
import type { DecodedMessages } from '../pipeline/windowing';
import type { Detector } from '../scoring/detector';
import { createPartitionStates } from '../state/partitions';
import type { PartitionState } from '../state/partition';
import { stateRules, type StateRules } from '../state/rules';
import { messageOf } from '../system/error-text';
import { createLastingLabels } from './lasting-labels';
import { ShadowDevices } from './shadow-devices';
import { ShadowSample } from './shadow-sample';
import { fullWindows, timeVersions } from './version-timing';

export interface ShadowParts {
  settings: DetectorSettings;
  /** Shape and categories of the record decoder. */
  decoder: Pick<StateRules, 'shape' | 'categories' | 'table'>;
  /** The version in the shadow; disposed when the shadow stops. */
  model: ActiveDetector;
  /** Whether to measure the time that scoring takes. False if detections must not depend on the speed of the machine. */
  measures: boolean;
  /** Share of the shadow's time that has passed, in [0, 1]. */
  progress: () => number;
  /** Labels known at present. */
  labels: () => readonly Label[];
  /** Event time at which its trial began, Unix ms. */
  since: number;
  /** Keeps the model in use until the promise settles. */
  borrowed: <T>(work: Promise<T>) => Promise<T>;
  metrics: Pick<DetectorMetrics, 'shadowScored'>;
}

const stretches = 10;
/** Number of batches that may wait for the shadow before live records wait, too. */
const mostWaiting = 2;

export type Shadow = ReturnType<typeof createShadow>;

export function createShadow({ settings, decoder, model, ...parts }: ShadowParts) {
  const { devices: mostDevices, records: mostRecords } = settings.training.challenger;
  const { measures, progress, borrowed, metrics } = parts;
  const rules: StateRules = {
    // The alarm budget does not apply to the events of the shadow.
    ...stateRules({ ...settings, events: { ...settings.events, budget: 'none' } }, decoder),
    windows: { ...settings.window, maxKeys: mostDevices },
    labels: createLastingLabels(parts.labels, parts.since),
  };
  const sample = new ShadowSample();
  const score = createScoring({
    detectorName: settings.detector,
    limits: createLimitCheck(settings.record.channels, settings.record.signals),
    stale: { duplicate: 'ignore', out_of_order: 'ignore' },
    sinks: [],
    metrics: { drift: () => undefined },
    now: Date.now,
    witness: { observe: (record) => sample.compare(record), report: (events) => events },
  });
  const { detector } = model;
  let secondsPerRecord: TrialEvidence['secondsPerRecord'];
  let problem: string | undefined;

  /** Devices of this stretch. `partitions` has the state of their partitions. */
  const devices = new ShadowDevices(mostDevices);
  let states = createPartitionStates(rules);
  let timed = false;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  let stopped = false;

  function isResting(): boolean {
    const stretch = Math.min(stretches - 1, Math.floor(stretches * progress())) + 1;
    return sample.evidence.records >= (mostRecords * stretch) / stretches;
  }

  /** Ends a stretch; the next one has other devices. */
  function rest(): void {
    if (devices.keys.size === 0) return;
    devices.clear();
    states = createPartitionStates(rules);
    sample.forgetAll();
    timed = false;
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
    devices.choose(decoded);
    const own = devices.recordsOf(decoded);
    if (own === undefined) return;
    const state = states.of(topic, partition);
    waiting++;
    last = last.then(() => run(own, state)).finally(() => waiting--);
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
      for (const row of rows as number[])
        sample.forget(partition, records.keys[row]!, records.timestamps[row]!);
    } catch (error) {
      problem = `it cannot score: ${messageOf(error)}`;
    }
  }

  /** Measures both versions on the same windows, once in each stretch. */
  function time(inUse: Detector): void {
    if (!measures || timed || stopped || problem !== undefined) return;
    const [ofInUse, ofShadow] = [inUse, detector].map((one) =>
      fullWindows(one, states.partitions, devices.keys),
    ) as [WindowBatch, WindowBatch];
    if (ofInUse.count === 0) return;
    timed = true;
    waiting++;
    const work = async (): Promise<void> => {
      secondsPerRecord = await timeVersions([inUse, ofInUse], [detector, ofShadow], () => stopped);
    };
    // Borrowed now, so that the version in use is not disposed while the work waits.
    last = borrowed(last.then(work))
      .catch((error: unknown) => void (problem = `it cannot score: ${messageOf(error)}`))
      .finally(() => waiting--);
  }

  return {
    version: detector.version,
    /** Call with each live record that the version in use has scored. */
    witness(record: WitnessedRecord): void {
      if (devices.keys.has(record.key)) sample.expect(record);
    },
    /** Call after each batch, with the version that has scored it. */
    observe(decoded: DecodedMessages, partition: PartitionState, inUse: ActiveDetector): void {
      observe(decoded, partition);
      time(inUse.detector);
    },
    /** Resolves at once unless several batches wait for the shadow. @param wholly wait until it has scored all of them */
    async keepUp(wholly: boolean): Promise<void> {
      if (waiting > (wholly ? 0 : mostWaiting)) await last;
    },
    evidence: () => ({
      sample: sample.evidence,
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
