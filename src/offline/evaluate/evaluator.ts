/** Trains a detector on one file, then scores the records of another with the daemon's pipeline. */
import { alarmThreshold } from '../../calibration/threshold';
import type { DetectorSettings } from '../../config/settings';
import type { Engines } from '../../runtime/engines';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import type { AnomalyEvent } from '../../domain/event';
import { createOfflinePipeline, createOfflineStates } from '../pipeline';
import { decodeBundle } from '../../scoring/bundle';
import type { DetectionBatch } from '../../sinks/sink';
import type { Message } from '../../sources/source';
import type { BundleFiles } from '../../store/bundle';
import { trainDetector } from '../../runtime/trainer';
import type { OpenedEvent } from './quality/events';

export interface TrainingParts {
  settings: DetectorSettings;
  /** Warm-up messages, in order of time. */
  train: readonly Message[];
  engines: Engines;
}

export interface EvaluationParts extends TrainingParts {
  /** In order of time, after those of train. */
  test: readonly Message[];
  /** Receives the detections of test, batch by batch. */
  onDetections?: (detections: DetectionBatch) => void;
}

export type TrainedDetector = Awaited<ReturnType<typeof trainOnce>>;

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
  const { settings, train, engines } = parts;
  const { files, report } = await trainOn(parts);
  const recordDecoder = createRecordDecoder(settings);
  const detector = await decodeBundle('evaluation', files, recordDecoder.table, engines.openScoring);
  return {
    /**
     * Scores of the test records, in the order of the file, and the false-alarm target as a ratio of normal records. Each test
     * is scored as if it were the only one: its records follow those of the training.
     */
    async score(test: readonly Message[], onDetections?: (detections: DetectionBatch) => void) {
      const { ratio: target, surprise: threshold } = alarmThreshold(
        settings.calibration.falseAlarmTarget,
        detector.state,
      );
      const active = { detector, threshold };
      const recording = createRecording(test.length, onDetections);
      const states = createOfflineStates(settings, recordDecoder);
      const onOutcome = recording.add;
      const handle = createOfflinePipeline({ settings, recordDecoder, active, onOutcome, states });
      for (const messages of [before(train), test]) {
        for (let from = 0; from < messages.length; from += batchRecords) {
          const part = messages.slice(from, from + batchRecords);
          await handle({ topic: settings.detector, partition: 0, messages: part, lag: 0 });
        }
      }
      return { ...recording.take(states.closeEvents()), target, threshold, training: report };
    },
    dispose: () => detector.dispose(),
  };
}

/** Negative offsets, so that the other file continues this one. */
function before(messages: readonly Message[]): Message[] {
  return messages.map((message, i) => ({
    ...message,
    origin: { ...message.origin, offset: String(i - messages.length) },
  }));
}

async function trainOn({ settings, train, engines }: TrainingParts) {
  const published: BundleFiles[] = [];
  const { report } = await trainDetector({
    settings,
    // eslint-disable-next-line @typescript-eslint/require-await -- ReadHistory is asynchronous
    readHistory: async function* ({ maxRecords }) {
      const newest = train.slice(-maxRecords);
      for (let from = 0; from < newest.length; from += batchRecords)
        yield newest.slice(from, from + batchRecords);
    },
    store: {
      publish(files) {
        published.push(files);
        return Promise.resolve('evaluation');
      },
    },
    engines,
    exclude: [],
    writtenBy: {},
    onProgress: () => undefined,
    now: Date.now,
  });
  return { files: published[0]!, report };
}

/** An event of the detector, by rows of the test file; times in Unix ms. */
export interface ScoredEvent
  extends OpenedEvent, Pick<AnomalyEvent, 'id' | 'start' | 'end' | 'openedAt' | 'peakSurprise'> {}

/** Scored rows of one device, in order of time. */
interface DeviceRows {
  rows: number[];
  times: number[];
}

/** Collects scores, flags and events by row of the file. */
function createRecording(records: number, onDetections?: (detections: DetectionBatch) => void) {
  /** Surprise; 0 for a rejected record, or one without a full window. */
  const scores = new Float64Array(records);
  /** 1 = at or above the threshold. */
  const flags = new Uint8Array(records);
  const closed: AnomalyEvent[] = [];
  const devices = new Map<string, DeviceRows>();
  /** By reason. */
  const rejected: Record<string, number> = {};
  let [scored, answered] = [0, 0];
  return {
    add: (batch: DetectionBatch): void => {
      const { detections, events, deadLetters } = batch;
      onDetections?.(batch);
      for (const { origin, key, timestamp, surprise, anomalous } of detections) {
        const row = Number(origin.offset);
        scores[row] = surprise;
        flags[row] = anomalous ? 1 : 0;
        let device = devices.get(key);
        if (device === undefined) devices.set(key, (device = { rows: [], times: [] }));
        device.rows.push(row);
        device.times.push(timestamp);
      }
      closed.push(...events.filter(({ status }) => status === 'closed'));
      for (const { reason } of deadLetters) rejected[reason] = (rejected[reason] ?? 0) + 1;
      scored += detections.length;
      answered += detections.length + deadLetters.length;
    },
    /** @param atEnd events that were still open after the last record */
    take: (atEnd: readonly AnomalyEvent[]) => ({
      scores,
      flags,
      /** The events of the pipeline with a test record. */
      events: [...closed, ...atEnd].flatMap((event) => toScoredEvent(event, devices.get(event.key))),
      /** Undefined if all times are the same. */
      recordsPerDay: recordsPerDay([...devices.values()]),
      /** Number of records with a score. */
      scored,
      rejected,
      windowNotFull: records - answered,
    }),
  };
}

/** None if the event ended before the first scored row of its device. */
function toScoredEvent(
  { id, key, start, end, openedAt, peakSurprise }: AnomalyEvent,
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
  return [{ id, key, first: rows[Math.max(from, 0)]!, last: rows[to]!, start, end, openedAt, peakSurprise }];
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
