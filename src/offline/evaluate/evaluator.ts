/**
 * Trains a detector on one file, then scores the records of another with the daemon's pipeline, with further trainings if
 * requested.
 */
import { createSilenceScale } from '../../calibration/gaps';
import { configuredThreshold } from '../../config/calibration';
import type { DetectorSettings } from '../../config/settings';
import type { Engines } from '../../runtime/engines';
import { createRecordDecoder, type RecordDecoder } from '../../pipeline/record-decoder';
import type { AnomalyEvent } from '../../domain/event';
import { TrainingError } from '../../errors';
import { quarantined } from '../../runtime/quarantine';
import { createOfflinePipeline, createOfflineStates } from '../pipeline';
import { decodeBundle } from '../../scoring/bundle';
import type { DetectionPower } from '../../scoring/detection-power';
import type { Detector } from '../../scoring/detector';
import type { DetectionBatch } from '../../sinks/sink';
import type { Label } from '../../domain/label';
import type { Message } from '../../sources/source';
import type { BundleFiles } from '../../store/bundle';
import { trainDetector } from '../../runtime/trainer';
import type { Interval } from '../../training/exclusion';
import type { FoundEvent } from './quality/events';
import { historyOf, trainingRows, type Cadence } from './retraining';

export interface TrainingParts {
  settings: DetectorSettings;
  /** Messages to train on, marked as warm-up, in order of time. */
  train: readonly Message[];
  engines: Engines;
  /** Labels for records of the training file and of the test, for the trainings. */
  labels?: readonly Label[];
  /** Share of the records of its time span that the training file contains; default 1. */
  share?: number;
  /** When to train again on the records of a test; undefined = never. */
  retrain?: Cadence | undefined;
}

export interface EvaluationParts extends TrainingParts {
  /** Messages to score, in order of time, after those of the training. */
  test: readonly Message[];
  /** Receives the detections of test, batch by batch. */
  onDetections?: (detections: DetectionBatch) => void;
}

export type TrainedDetector = Awaited<ReturnType<typeof trainOnce>>;

/** A version that scored test records. */
export interface UsedVersion {
  /** Row of the first record that the version scores. */
  from: number;
  /** False-alarm target as a ratio of normal records. */
  target: number;
  /** Surprise from which a record is anomalous. */
  threshold: number;
  /** Number of records that the version was trained on, and number of those that were left out. */
  records: number;
  excludedRecords: number;
  trainingSeconds: number;
  /** Detection power in held-out records; undefined if there are too few of them. */
  detectionPower?: DetectionPower | undefined;
}

/** A training that yielded no version: the version in use stays. */
export interface FailedTraining {
  /** Row of the record before which it took place. */
  from: number;
  reason: string;
}

/** Messages per batch. */
const batchRecords = 1000;

/** @throws TrainingError when training yields no model */
export async function evaluateDetector({ test, onDetections, ...parts }: EvaluationParts) {
  const trained = await trainOnce(parts);
  try {
    return await trained.score(test, onDetections);
  } finally {
    trained.dispose();
  }
}

/**
 * Trains a detector to score any number of tests.
 * @throws TrainingError when training yields no model
 */
export async function trainOnce(parts: TrainingParts) {
  const { settings, train, retrain } = parts;
  const recordDecoder = createRecordDecoder(settings);
  const { maxRecords, quarantineMs, timeZone } = settings.training;
  const first = await trainVersion('evaluation', parts, recordDecoder, train.slice(-maxRecords), []);

  return {
    /** The first version. */
    detector: first.active.detector,
    counters: first.active.detector.state.counters ?? [],
    seasons: first.active.detector.state.seasons ?? [],
    /**
     * Scores the test records, in the order of the file. Each test is scored independently, as if it followed the training
     * directly. A version that is trained later scores the records after those that it was trained on; windows, events and the
     * memory of devices continue, as in the daemon.
     */
    async score(test: readonly Message[], onDetections?: (detections: DetectionBatch) => void) {
      let used = first;
      let unmatched = first.unmatched;
      const versions: UsedVersion[] = [{ from: 0, ...first.facts }];
      const failedTrainings: FailedTraining[] = [];
      const recording = createRecording(test.length, namesOf(first.active.detector), onDetections);
      const states = createOfflineStates(settings, recordDecoder);
      const onOutcome = recording.add;
      const handle = createOfflinePipeline({
        settings,
        recordDecoder,
        current: () => used.active,
        onOutcome,
        states,
      });

      async function deliver(messages: readonly Message[]): Promise<void> {
        for (let from = 0; from < messages.length; from += batchRecords) {
          const part = messages.slice(from, from + batchRecords);
          await handle({ topic: settings.detector, partition: 0, messages: part, lag: 0 });
        }
      }

      function use(version: TrainedVersion): void {
        if (used !== first) used.active.detector.dispose();
        used = version;
      }

      async function trainAgain(row: number): Promise<void> {
        const history = historyOf([...train, ...test.slice(0, row)], settings.training);
        const events = [
          ...recording.over.filter(({ kind }) => kind === 'anomaly'),
          ...states.currentEvents(),
        ];
        const exclude = events.flatMap(({ key, keys = [key], start, end }) =>
          keys.map((one) => quarantined({ key: one, start, end }, quarantineMs)),
        );
        const name = `evaluation-${versions.length + 1}`;
        try {
          use(await trainVersion(name, parts, recordDecoder, history, exclude));
          unmatched = unmatched.filter((label) => used.unmatched.includes(label));
          versions.push({ from: row, ...used.facts });
        } catch (error) {
          if (!(error instanceof TrainingError)) throw error;
          failedTrainings.push({ from: row, reason: error.message });
        }
      }

      try {
        await deliver(before(train));
        let from = 0;
        const times = test.map(({ timestamp }) => timestamp);
        for (const row of retrain === undefined ? [] : trainingRows(retrain, times, timeZone)) {
          await deliver(test.slice(from, row));
          await trainAgain(row);
          from = row;
        }
        await deliver(test.slice(from));
      } finally {
        use(first);
      }
      const { target, threshold } = first.facts;
      return {
        ...recording.take(states.closeEvents()),
        target,
        threshold,
        training: first.report,
        /** The versions in use over the test; the first one was trained on the training file alone. */
        versions,
        failedTrainings,
        /** Labels whose time contains no record of any training. */
        unmatchedLabels: unmatched,
      };
    },
    dispose: () => first.active.detector.dispose(),
  };
}

/** Names of the statistics that enter the score of a version. */
function namesOf({ state: { calibration, slow, sections } }: Detector): string[] {
  return [
    ...Object.keys(calibration.evidence),
    ...(slow ? ['slow'] : []),
    ...(sections ? ['sections'] : []),
    ...(calibration.runs ? ['runs'] : []),
  ];
}

type TrainedVersion = Awaited<ReturnType<typeof trainVersion>>;

async function trainVersion(
  name: string,
  { settings, engines, labels = [], share = 1 }: TrainingParts,
  { table }: RecordDecoder,
  history: readonly Message[],
  exclude: readonly Interval[],
) {
  const began = performance.now();
  const { files, report, unmatched } = await trainOn({ settings, engines, labels, share }, history, exclude);
  const detector = await decodeBundle(name, files, table, engines.openScoring);
  const { ratio, surprise, eventBar } = configuredThreshold(settings, detector.state);
  const { gaps } = detector.state;
  return {
    active: { detector, threshold: surprise, eventBar, silence: gaps && createSilenceScale(gaps) },
    report,
    unmatched,
    facts: {
      target: ratio,
      threshold: surprise,
      records: report.records,
      excludedRecords: report.excludedRecords,
      trainingSeconds: (performance.now() - began) / 1000,
      detectionPower: report.detectionPower,
    },
  };
}

/** Gives the messages negative offsets, so that the test file continues the training file. */
function before(messages: readonly Message[]): Message[] {
  return messages.map((message, i) => ({
    ...message,
    origin: { ...message.origin, offset: String(i - messages.length) },
  }));
}

async function trainOn(
  {
    settings,
    engines,
    labels,
    share,
  }: Required<Pick<TrainingParts, 'settings' | 'engines' | 'labels' | 'share'>>,
  history: readonly Message[],
  exclude: readonly Interval[],
) {
  const published: BundleFiles[] = [];
  let unmatched: readonly Label[] = [];
  const { report } = await trainDetector({
    settings,
    // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
    readHistory: async function* ({ onShare }) {
      onShare?.(share);
      for (let from = 0; from < history.length; from += batchRecords)
        yield history.slice(from, from + batchRecords);
    },
    store: {
      publish(files) {
        published.push(files);
        return Promise.resolve('evaluation');
      },
    },
    engines,
    exclude,
    labels,
    onUnmatchedLabels: (found) => (unmatched = found),
    writtenBy: {},
    onProgress: () => undefined,
    now: Date.now,
  });
  return { files: published[0]!, report, unmatched };
}

/** An event of the detector, by rows of the test file; times in Unix ms. */
export interface ScoredEvent
  extends
    FoundEvent,
    Pick<AnomalyEvent, 'id' | 'kind' | 'keys' | 'start' | 'end' | 'openedAt' | 'peakSurprise'> {}

/** Scored rows of one device, in order of time. */
interface DeviceRows {
  rows: number[];
  times: number[];
}

/** Collects scores, flags and events by row of the file. */
function createRecording(
  records: number,
  names: readonly string[],
  onDetections?: (detections: DetectionBatch) => void,
) {
  /** Surprise; 0 for a rejected record, or one without a full window. */
  const scores = new Float64Array(records);
  /** 1 = at or above the threshold. */
  const flags = new Uint8Array(records);
  const statistics = Object.fromEntries(names.map((name) => [name, new Float64Array(records).fill(NaN)]));
  const over: AnomalyEvent[] = [];
  const devices = new Map<string, DeviceRows>();
  /** Rejected records by reason. */
  const rejected: Record<string, number> = {};
  let [scored, answered] = [0, 0];
  return {
    /** Events that are over so far. */
    over: over as readonly AnomalyEvent[],
    add: (batch: DetectionBatch): void => {
      const { detections, events, deadLetters } = batch;
      onDetections?.(batch);
      for (const { origin, key, timestamp, surprise, anomalous, statistics: own } of detections) {
        const row = Number(origin.offset);
        scores[row] = surprise;
        flags[row] = anomalous ? 1 : 0;
        for (const name of names) statistics[name]![row] = Math.min(Number.MAX_VALUE, own[name] ?? NaN);
        let device = devices.get(key);
        if (device === undefined) devices.set(key, (device = { rows: [], times: [] }));
        device.rows.push(row);
        device.times.push(timestamp);
      }
      over.push(...events.filter(({ status }) => status !== 'open'));
      for (const { reason } of deadLetters) rejected[reason] = (rejected[reason] ?? 0) + 1;
      scored += detections.length;
      answered += detections.length + deadLetters.length;
    },
    /** @param atEnd events that were still open after the last record */
    take(atEnd: readonly AnomalyEvent[]) {
      over.push(...atEnd);
      const scoredEvents = (wanted: AnomalyEvent['status']): ScoredEvent[] =>
        over.flatMap((event) =>
          event.status === wanted ? toScoredEvent(event, devices.get(event.key)) : [],
        );
      return {
        scores,
        flags,
        /** Statistics that enter the score, by name and record; NaN for a record without a score. */
        statistics,
        /** Events that opened and contain a test record. */
        events: scoredEvents('closed'),
        /** Events that the alarm budget held back. */
        heldBack: scoredEvents('held_back'),
        /** Undefined if all records have the same time. */
        recordsPerDay: recordsPerDay([...devices.values()]),
        /** Number of records with a score. */
        scored,
        rejected,
        windowNotFull: records - answered,
      };
    },
  };
}

/** Undefined if the event ended before the first scored row of its device. */
function toScoredEvent(
  { id, kind, key, keys, start, end, openedAt, peakSurprise }: AnomalyEvent,
  device: DeviceRows | undefined,
): ScoredEvent[] {
  if (device === undefined) return [];
  const { rows, times } = device;
  const to = times.findLastIndex((time) => time <= end);
  if (to === -1) return [];
  const from = Math.min(
    times.findIndex((time) => time >= start),
    to,
  );
  const segment = { first: rows[Math.max(from, 0)]!, last: rows[to]! };
  return [{ id, kind, key, ...(keys && { keys }), ...segment, start, end, openedAt, peakSurprise }];
}

const dayMs = 86_400_000;

function recordsPerDay(devices: readonly DeviceRows[]): number | undefined {
  let [earliest, latest, records] = [Infinity, -Infinity, 0];
  for (const { times } of devices) {
    earliest = Math.min(earliest, times[0]!);
    latest = Math.max(latest, times.at(-1)!);
    records += times.length;
  }
  return latest > earliest ? ((records - 1) * dayMs) / (latest - earliest) : undefined;
}
