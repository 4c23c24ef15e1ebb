/** The detection of one record of a file, as the daemon's pipeline would emit it, with its explanation. */
import { alarmThreshold } from '../../calibration/threshold';
import type { DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import type { WindowBatch, WindowShape } from '../../domain/window';
import type { RecordDecoder } from '../../pipeline/record-decoder';
import type { Detector } from '../../scoring/detector';
import { createVersionBatch } from '../../scoring/version-state';
import type { DetectionBatch } from '../../sinks/sink';
import { createFileHistory, defaultColumns } from '../../sources/file/file';
import type { Message } from '../../sources/source';
import { createOfflinePipeline, createOfflineStates } from '../pipeline';

export interface ExplainParts {
  settings: DetectorSettings;
  recordDecoder: RecordDecoder;
  detector: Detector;
  /** File with the record and the records before it. */
  path: string;
  /** Number of the record in the file, from 0. */
  index: number;
}

/**
 * @returns the detection, and the window that ends with the record; the window is empty if it is not full
 * @throws Error if there is no such record, if it cannot be used, or if its window is not full
 */
export async function explainRecord(
  parts: ExplainParts,
): Promise<{ detection: Detection; window: WindowBatch }> {
  const { settings, recordDecoder, detector, path, index } = parts;
  const { source, calibration, record } = settings;
  const { surprise: threshold } = alarmThreshold(calibration.falseAlarmTarget, detector.state);
  const states = createOfflineStates(settings, recordDecoder);
  const active = { detector, threshold };
  let latest: DetectionBatch = { detections: [], events: [], deadLetters: [] };
  let isRequested = false;
  const handle = createOfflinePipeline({
    // With these settings a duplicate or late record is reported as a dead letter, instead of being dropped without a reason.
    settings: { ...settings, record: { ...record, duplicates: 'reject', outOfOrder: 'reject' } },
    recordDecoder,
    current: () => active,
    onOutcome: (outcome) => (latest = outcome),
    states,
    explanations: { isDue: () => isRequested, spent: () => undefined },
  });
  const deliver = (messages: readonly Message[]): Promise<void> =>
    handle({ topic: path, partition: 0, messages, lag: undefined });
  // Baselines depend on the scores of all earlier records, but windows only on their values.
  const warmUp = record.kind === 'image';
  const start = firstRecord(source, path, index);

  const columns = source.kind === 'file' ? source.file.columns : defaultColumns;
  const readRecords = createFileHistory(
    { columns, path, timestampFormat: settings.fields.timestampFormat, timeZone: settings.fields.timeZone },
    index + 1,
  );
  let count = 0;
  for await (const messages of readRecords({ from: undefined, to: undefined, maxRecords: index + 1 })) {
    count += messages.length;
    const read = messages.filter(({ origin }) => Number(origin.offset) >= start);
    const isLast = count === index + 1;
    const before = isLast ? read.slice(0, -1) : read;
    await deliver(before.map((message) => ({ ...message, warmUp })));
    if (!isLast) continue;
    isRequested = true;
    await deliver(read.slice(-1));
    const detection = detectionIn(latest, `record ${index} of ${path}`, recordDecoder.shape);
    const window = createVersionBatch(detector.state, 1);
    // Without statistics the window is not full.
    if (Object.keys(detection.statistics).length > 0) states.of(path, 0).windows.copy(detection.key, window);
    return { detection, window };
  }
  throw new Error(`${path} has ${count} records: there is no record ${index}`);
}

/** A daemon that reads the file as its source starts with the first record after the history. */
function firstRecord(source: DetectorSettings['source'], path: string, index: number): number {
  if (source.kind !== 'file' || source.file.path !== path) return 0;
  const { historyRecords } = source.file;
  return index < historyRecords ? 0 : historyRecords;
}

function detectionIn(
  { detections, deadLetters }: DetectionBatch,
  where: string,
  { length }: WindowShape,
): Detection {
  const [detection] = detections;
  const [deadLetter] = deadLetters;
  if (deadLetter !== undefined)
    throw new Error(`${where} cannot be used`, { cause: new Error(deadLetter.message) });
  if (detection === undefined)
    throw new Error(`${where} has no full window: its key has fewer than ${length} records up to it`);
  return detection;
}
