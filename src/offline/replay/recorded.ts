/** Reads the messages to replay, and the detections recorded for them, from Kafka. */
import { sourceOf, type DetectorSettings } from '../../config/settings';
import type { DeviceBaseline } from '../../domain/detection';
import type { Logger } from '../../logger';
import { sinkConnection } from '../../sinks/kafka/spec';
import { createKafkaClient } from '../../kafka/client';
import { findRanges, readKafkaRanges } from '../../sources/kafka/history';
import type { OffsetRange } from '../../sources/kafka/offsets';
import type { Message } from '../../sources/source';

/** A detection in the format of the Kafka sink. */
export type RecordedDetection = Readonly<Record<string, unknown>> & {
  modelVersion: string;
  anomalous: boolean;
  surprise: number;
  /** Absent in detections of older versions of vaemon. */
  targetThreshold?: number;
  baseline?: DeviceBaseline;
  statistics?: Readonly<Record<string, number>>;
};

/** Detections by `partition/offset` of their record, without duplicates. */
export type RecordedDetections = ReadonlyMap<string, readonly RecordedDetection[]>;

/** Messages of a partition. Those before `liveFrom` only fill windows. */
export interface ReplayedPartition {
  partition: number;
  /** First offset that was read. */
  from: bigint;
  liveFrom: bigint;
  messages: readonly Message[];
}

/** The records to replay: those at `offsets`, or without offsets those with message times in [from, to). */
export interface RecordSelection {
  offsets: readonly { partition: number; offset: bigint }[];
  /** Unix ms. */
  from?: number;
  to?: number;
  /** Number of messages per partition before the records that are read to fill windows; default `warmUpRecords`. */
  lead?: number;
  maxRecords: number;
}

/** Tolerance for the time of a detection before that of its record, as clocks differ, ms. */
const clockMarginMs = 5 * 60_000;

/** @throws Error if there is no record, or more than `maxRecords`, or if an offset does not exist */
export async function readRecords(
  detector: DetectorSettings,
  selection: RecordSelection,
  log: Logger,
): Promise<ReplayedPartition[]> {
  const { kafka: settings } = sourceOf(detector, 'kafka');
  const { topic, warmUpRecords } = settings;
  const lead = BigInt(selection.lead ?? warmUpRecords);
  const kafka = createKafkaClient({ ...settings, purpose: 'replay', log });
  const all = await findRanges(kafka, topic, { from: undefined, to: undefined });
  const ranges =
    selection.offsets.length > 0
      ? selection.offsets.map(({ partition, offset }) => rangeOf(topic, partition, offset, all))
      : await findRanges(kafka, topic, { from: selection.from, to: selection.to });
  const selected = ranges.filter(({ start, end }) => end > start);
  const count = selected.reduce((total, { start, end }) => total + Number(end - start), 0);
  if (count === 0) throw new Error(`no record is selected: ${topic} has no message in this time`);
  if (count > selection.maxRecords)
    throw new Error(
      `${count} records are selected, more than --max-records ${selection.maxRecords}: select a shorter time`,
    );

  const partitions: ReplayedPartition[] = [];
  for (const { partition, start, end } of selected) {
    const low = all.find((one) => one.partition === partition)?.start ?? 0n;
    const from = start - lead > low ? start - lead : low;
    const messages: Message[] = [];
    const onUnread = () =>
      log.warn('records could not be read to the end', { topic, partition, end: String(end) });
    const reading = readKafkaRanges({ kafka, settings, onUnread }, [{ partition, start: from, end }]);
    for await (const chunk of reading)
      for (const { key, value, timestamp, origin } of chunk)
        messages.push({ key, value, timestamp, origin, warmUp: BigInt(origin.offset) < start });
    partitions.push({ partition, from, liveFrom: start, messages });
  }
  return partitions;
}

/** @param all ranges of the topic, by partition */
function rangeOf(topic: string, partition: number, offset: bigint, all: readonly OffsetRange[]): OffsetRange {
  const bounds = all.find((one) => one.partition === partition);
  if (bounds !== undefined && offset >= bounds.start && offset < bounds.end)
    return { partition, start: offset, end: offset + 1n };
  const found =
    bounds === undefined ? 'no such partition' : `the offsets ${bounds.start} to ${bounds.end - 1n} there`;
  throw new Error(`--offset ${topic}:${partition}:${offset}: the topic has ${found}`);
}

/** The detections that the detector wrote for these messages. */
export async function readDetections(
  settings: DetectorSettings,
  partitions: readonly ReplayedPartition[],
  log: Logger,
): Promise<RecordedDetections> {
  const { sinks, detector } = settings;
  const { topic, groupId } = sourceOf(settings, 'kafka').kafka;
  const wanted = new Set<string>();
  let earliest = Infinity;
  for (const { partition, messages } of partitions) {
    for (const { warmUp, origin, timestamp } of messages) {
      if (warmUp) continue;
      wanted.add(`${partition}/${origin.offset}`);
      earliest = Math.min(earliest, timestamp);
    }
  }
  const recorded = new Map<string, RecordedDetection[]>();
  if (wanted.size === 0) return recorded;
  const kafka = createKafkaClient({
    ...sinkConnection(sinks.kafka, settings.source),
    purpose: 'replay',
    log,
  });
  const { detectionsTopic } = sinks.kafka;
  const from = Math.max(0, earliest - clockMarginMs);
  const ranges = await findRanges(kafka, detectionsTopic, { from, to: undefined });
  const onUnread = () => log.warn('detections could not be read to the end', { topic: detectionsTopic });
  const reading = readKafkaRanges({ kafka, settings: { topic: detectionsTopic, groupId }, onUnread }, ranges);
  const known = new Set<string>();
  for await (const messages of reading) {
    for (const { value } of messages) {
      const detection = parseDetection(value);
      if (detection === undefined || detection['detector'] !== detector) continue;
      const source = Object(detection['source']) as Partial<Record<string, unknown>>;
      const origin = `${String(source['partition'])}/${String(source['offset'])}`;
      if (source['topic'] !== topic || !wanted.has(origin)) continue;
      const { modelVersion, surprise } = detection;
      const identity = JSON.stringify([modelVersion, surprise, detection['statistics'], origin]);
      if (known.has(identity)) continue;
      known.add(identity);
      recorded.set(origin, [...(recorded.get(origin) ?? []), detection]);
    }
  }
  return recorded;
}

/** Undefined for other messages: the topic contains events, and perhaps messages of other programs. */
function parseDetection(value: Buffer | null): RecordedDetection | undefined {
  if (value === null) return undefined;
  try {
    const message = JSON.parse(value.toString()) as Partial<RecordedDetection> | null;
    return typeof message?.modelVersion === 'string' && typeof message.surprise === 'number'
      ? (message as RecordedDetection)
      : undefined;
  } catch {
    return undefined;
  }
}
