/** Estimates the alarms of each false-alarm target, on records of the sample that the model was not trained on. */
import type { FalseAlarmTarget } from '../../calibration/threshold';
import { detectorSchema, type DetectorSettings } from '../../config/detector';
import type { Detection } from '../../domain/detection';
import type { Origin } from '../../domain/record';
import { TrainingError, type DecodeError } from '../../errors';
import { exampleOf } from '../../pipeline/refusals';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import { openEngines, usualEngines } from '../../runtime/engines';
import type { Detector } from '../../scoring/detector';
import type { Message } from '../../sources/source';
import { merged } from '../evaluate/series';
import { trainOnce } from '../evaluate/evaluator';
import { countAlarmsAt } from '../replay/alarms';
import { usualTarget, type Target } from './detector-file';
import { UnusableSampleError } from './inference/unusable';

export interface Price extends Target {
  /** Surprise from which a record is anomalous; undefined if the sample is too short to calibrate the target. */
  threshold: number | undefined;
  /** Share of the held-out records that are anomalous. */
  anomalousShare: number;
  /** Number of events that open. */
  alarms: number;
  /** Number of events per day; NaN without times. */
  alarmsPerDay: number;
  alarmsPer1000Records: number;
}

export interface Prices {
  trainedRecords: number;
  heldOutRecords: number;
  /** Duration of the held-out records, ms; NaN if the records have no times. */
  heldOutMs: number;
  seconds: number;
  counters: readonly string[];
  seasons: readonly string[];
  prices: readonly Price[];
}

/** The reason why there is no estimate: the sample is too small. */
export interface UnknownPrices {
  problem: string;
}

/** Targets for which alarms are estimated, the default one first. */
const recordTargets: readonly Target[] = [
  usualTarget,
  { falseAlarmTarget: '5 per day', budget: 'auto' },
  { falseAlarmTarget: '1 per day', budget: 'auto' },
  { falseAlarmTarget: '1 per week', budget: 'auto' },
  { falseAlarmTarget: '0.005', budget: 'none' },
  { falseAlarmTarget: '0.001', budget: 'none' },
];

/** Images in a folder have no times, so their targets are not rates. */
export const imageTargets: readonly Target[] = ['0.01', '0.003', '0.001'].map((falseAlarmTarget) => ({
  falseAlarmTarget,
  budget: 'none',
}));

/** If a larger share of the records is rejected, the proposal or the file is wrong. */
const maxRejected = 0.5;
/** Share of the sample, from the oldest record on, that the quick model is trained on. */
const trainShare = 0.65;
const maxTrainShare = 0.85;
const dayMs = 86_400_000;
const batchRecords = 1000;

export interface DecodedSample {
  /** Usable messages in order of time over all devices; those of a device are in the order of the source. */
  messages: readonly Message[];
  /** Rejected messages by reason, with the first error. */
  rejected: Readonly<Record<string, { records: number; example: string }>>;
  rejectedRecords: number;
}

export interface PriceFacts {
  /** Whether the records contain times. */
  isTimed: boolean;
  /** Share of the records of its time span that the sample contains. */
  share: number;
  targets?: readonly Target[];
}

/** Decodes the messages as the detector would. */
export async function decodeSample(
  settings: DetectorSettings,
  all: readonly Message[],
  now: number,
): Promise<DecodedSample> {
  const { decode } = createRecordDecoder(settings);
  const messages: Message[] = [];
  const keys: string[] = [];
  const rejected: Record<string, { records: number; example: string }> = {};
  let rejectedRecords = 0;
  for (let from = 0; from < all.length; from += batchRecords) {
    const part = all.slice(from, from + batchRecords);
    const usable = part.filter((message) => message.problem === undefined);
    const { records, rows } = await decode(usable, now);
    const refuse = ({ reason, message }: DecodeError, origin: Origin): void => {
      rejectedRecords++;
      rejected[reason] = {
        records: (rejected[reason]?.records ?? 0) + 1,
        example: rejected[reason]?.example ?? exampleOf(message, origin),
      };
    };
    for (const { problem, origin } of part) if (problem !== undefined) refuse(problem, origin);
    rows.forEach((row, i) => {
      if (typeof row !== 'number') {
        refuse(row, usable[i]!.origin);
        return;
      }
      // Fields of messages from Kafka are getters, which a spread would not copy.
      const { key, value, origin, warmUp } = usable[i]!;
      messages.push({ key, value, origin, warmUp, timestamp: records.timestamps[row]! });
      keys.push(records.keys[row]!);
    });
  }
  return { messages: merged(messages, keys), rejected, rejectedRecords };
}

/**
 * Trains on the older part of the sample and scores the newer one.
 * @throws TrainingError if the sample is too small
 */
async function priceTargets(
  settings: DetectorSettings,
  messages: readonly Message[],
  { isTimed, share, targets = recordTargets }: PriceFacts,
): Promise<Prices> {
  const began = performance.now();
  const cut = trainedOf(messages.length, settings);
  const numbered = (part: readonly Message[], warmUp: boolean): Message[] =>
    part.map((message, i) => ({
      ...message,
      warmUp,
      origin: { topic: 'sample', partition: 0, offset: String(i) },
    }));
  const test = numbered(messages.slice(cut), false);
  const engines = await openEngines(usualEngines);
  const trained = await trainOnce({
    share,
    settings,
    train: numbered(messages.slice(0, cut), true),
    engines,
  });
  try {
    const detections: Detection[] = [];
    await trained.score(test, (batch) => void detections.push(...batch.detections));
    const heldOutMs = isTimed ? share * spanOf(test) : NaN;
    return {
      trainedRecords: cut,
      heldOutRecords: test.length,
      heldOutMs,
      seconds: (performance.now() - began) / 1000,
      counters: trained.counters,
      seasons: trained.seasons,
      prices: targets.map((target) => priceOf(target, settings, detections, trained.detector, heldOutMs)),
    };
  } finally {
    trained.dispose();
    await engines.close();
  }
}

/**
 * Number of records to train on, from the oldest on. Images are few and each is a window, so as many are taken as a training
 * needs.
 */
function trainedOf(records: number, { record, training: { minRecords } }: DetectorSettings): number {
  const usual = Math.floor(trainShare * records);
  const most = Math.floor(maxTrainShare * records);
  return record.kind === 'image' ? Math.max(usual, Math.min(minRecords, most)) : usual;
}

/** @throws UnusableSampleError if the detector rejects most records */
export function refuseRejected({ messages, rejected, rejectedRecords }: DecodedSample): void {
  if (rejectedRecords <= maxRejected * (messages.length + rejectedRecords)) return;
  const [reason, { records, example }] = Object.entries(rejected).sort(
    (a, b) => b[1].records - a[1].records,
  )[0]!;
  throw new UnusableSampleError(
    `${rejectedRecords} of ${messages.length + rejectedRecords} records would be rejected, ${records} of them as ${reason}: ${example}`,
  );
}

/** The estimate, or the reason why the sample is too small for it. */
export async function priceOrProblem(
  ...sample: Parameters<typeof priceTargets>
): Promise<Prices | UnknownPrices> {
  try {
    return await priceTargets(...sample);
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    return { problem: error.message };
  }
}

function priceOf(
  target: Target,
  settings: DetectorSettings,
  detections: readonly Detection[],
  detector: Detector,
  heldOutMs: number,
): Price {
  const { calibration, events } = detectorSchema;
  const wanted: FalseAlarmTarget = calibration.falseAlarmTarget.parse(target.falseAlarmTarget);
  const supposed = {
    ...settings,
    events: { ...settings.events, budget: events.budget.parse(target.budget) },
  };
  try {
    const { alarms, events: opened, threshold } = countAlarmsAt(wanted, supposed, detections, () => detector);
    return {
      ...target,
      threshold: Object.values(threshold)[0],
      anomalousShare: detections.length === 0 ? 0 : alarms / detections.length,
      alarms: opened,
      alarmsPerDay: (opened * dayMs) / heldOutMs,
      alarmsPer1000Records: (1000 * opened) / detections.length,
    };
  } catch (error) {
    // A RangeError means that the target is too rare for the calibration.
    if (!(error instanceof RangeError)) throw error;
    return {
      ...target,
      threshold: undefined,
      anomalousShare: NaN,
      alarms: NaN,
      alarmsPerDay: NaN,
      alarmsPer1000Records: NaN,
    };
  }
}

function spanOf(messages: readonly Message[]): number {
  let [from, to] = [Infinity, -Infinity];
  for (const { timestamp } of messages) {
    from = Math.min(from, timestamp);
    to = Math.max(to, timestamp);
  }
  return to - from;
}
