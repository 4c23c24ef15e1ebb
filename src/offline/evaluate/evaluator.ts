/** Trains a detector on one file, then scores the records of another with the daemon's pipeline. */
import { alarmThreshold } from '../../calibration/threshold';
import type { DetectorSettings } from '../../config/settings';
import type { Engines } from '../../runtime/engines';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import { createOfflinePipeline } from '../pipeline';
import { decodeBundle } from '../../scoring/bundle';
import type { DetectionBatch } from '../../sinks/sink';
import type { Message } from '../../sources/source';
import type { BundleFiles } from '../../store/bundle';
import { trainDetector } from '../../runtime/trainer';

export interface EvaluationParts {
  settings: DetectorSettings;
  /** In order of time; those of train are warm-up messages. */
  train: readonly Message[];
  test: readonly Message[];
  engines: Engines;
  /** Receives the detections of test, batch by batch. */
  onDetections?: (detections: DetectionBatch) => void;
}

/** Messages per batch. */
const batchRecords = 1000;

/**
 * Scores of the test records, in the order of the file, and the false-alarm target as a ratio of normal records.
 * @throws TrainingError when training yields no model
 */
export async function evaluateDetector(parts: EvaluationParts) {
  const { settings, train, test, engines } = parts;
  const { files, report } = await trainOn(parts);
  const recordDecoder = createRecordDecoder(settings);
  const detector = await decodeBundle('evaluation', files, recordDecoder.table, engines.openScoring);
  try {
    const { ratio: target, surprise: threshold } = alarmThreshold(
      settings.calibration.falseAlarmTarget,
      detector.state,
    );
    const active = { detector, threshold };
    const recording = createRecording(test.length, parts.onDetections);
    const handle = createOfflinePipeline({ settings, recordDecoder, active, onOutcome: recording.add });
    for (const messages of [before(train), test]) {
      for (let from = 0; from < messages.length; from += batchRecords) {
        const part = messages.slice(from, from + batchRecords);
        await handle({ topic: settings.detector, partition: 0, messages: part, lag: 0 });
      }
    }
    return { ...recording.take(), target, threshold, training: report };
  } finally {
    detector.dispose();
  }
}

/** Negative offsets, so that the other file continues this one. */
function before(messages: readonly Message[]): Message[] {
  return messages.map((message, i) => ({
    ...message,
    origin: { ...message.origin, offset: String(i - messages.length) },
  }));
}

async function trainOn({ settings, train, engines }: EvaluationParts) {
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

/** Collects scores and flags by row of the file. */
function createRecording(records: number, onDetections?: (detections: DetectionBatch) => void) {
  /** Surprise; 0 for a rejected record, or one without a full window. */
  const scores = new Float64Array(records);
  /** 1 = at or above the threshold. */
  const flags = new Uint8Array(records);
  /** By reason. */
  const rejected: Record<string, number> = {};
  let answered = 0;
  return {
    add: (batch: DetectionBatch): void => {
      const { detections, deadLetters } = batch;
      onDetections?.(batch);
      for (const { origin, surprise, anomalous } of detections) {
        scores[Number(origin.offset)] = surprise;
        flags[Number(origin.offset)] = anomalous ? 1 : 0;
      }
      for (const { reason } of deadLetters) rejected[reason] = (rejected[reason] ?? 0) + 1;
      answered += detections.length + deadLetters.length;
    },
    take: () => ({ scores, flags, rejected, windowNotFull: records - answered }),
  };
}
