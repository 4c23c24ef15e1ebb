/** Expected and actual outcomes of a plant's records. */
import type { Kafka } from 'kafkajs';
import type { DeviceBaseline } from '../../../src/domain/detection';
import { windowLength } from '../plant';
import type { SettingsOverrides } from '../vaemon-process';
import type { TestKafka } from './broker';
import { headerOf, readTopic } from './readings';

/** A detector with its own topics and group. */
export async function plantSettings(
  broker: TestKafka & { bootstrap: string },
  topic: string,
  store: string,
  { partitions = 1 } = {},
) {
  const [detections, deadLetters] = [await broker.createTopic({ partitions }), await broker.createTopic()];
  return {
    'source.kind': 'kafka',
    'source.kafka.brokers': broker.bootstrap,
    'source.kafka.topic': topic,
    'source.kafka.groupId': `group-of-${detections}`,
    'source.kafka.startFrom': 'earliest',
    'source.kafka.warmUpRecords': 60,
    'source.kafka.maxBatchRecords': 50,
    'source.kafka.sessionTimeout': '6s',
    'sinks.kafka.enabled': 'true',
    'sinks.kafka.detectionsTopic': detections,
    'sinks.kafka.deadLetterTopic': deadLetters,
    'sinks.kafka.emit': 'all',
    'store.path': store,
  } satisfies SettingsOverrides;
}
export type PlantSettings = Awaited<ReturnType<typeof plantSettings>>;

export const groupOf = (settings: PlantSettings) => ({
  topic: settings['source.kafka.topic'],
  groupId: settings['source.kafka.groupId'],
});

/** Outcomes of each record by `partition/offset`, in the order in which they were written. */
export type Outcomes = Map<string, string[]>;
const add = (outcomes: Outcomes, origin: string, outcome: string): void => {
  outcomes.set(origin, [...(outcomes.get(origin) ?? []), outcome]);
};

/**
 * Outcomes of good records: a detection for each full window. A record that a producer has written twice is a
 * duplicate.
 */
export async function expectedDetections(kafka: Kafka, topic: string): Promise<Outcomes> {
  const expected: Outcomes = new Map();
  const seen = new Map<string, { count: number; newest: number }>();
  const messages = await readTopic(kafka, topic);
  for (const { key, value, partition, offset } of messages.sort(
    (a, b) => Number(a.offset) - Number(b.offset),
  )) {
    const { timestamp } = JSON.parse(String(value)) as { timestamp: number };
    const device = seen.get(String(key)) ?? { count: 0, newest: -Infinity };
    seen.set(String(key), device);
    const origin = `${partition}/${offset}`;
    if (timestamp <= device.newest) {
      expected.set(origin, [timestamp === device.newest ? 'duplicate' : 'out_of_order']);
      continue;
    }
    device.newest = timestamp;
    expected.set(origin, ++device.count < windowLength ? [] : ['detection']);
  }
  return expected;
}

/** Outcomes by the feed's headers: a detection or the reason of a dead letter. The first records of a key have no full window. */
export async function expectedOutcomes(kafka: Kafka, topic: string): Promise<Outcomes> {
  const expected: Outcomes = new Map();
  const seen = new Map<string, number>();
  const messages = await readTopic(kafka, topic);
  for (const message of messages.sort((a, b) => Number(a.offset) - Number(b.offset))) {
    const expectation = headerOf(message, 'expect');
    const origin = `${message.partition}/${message.offset}`;
    if (expectation !== 'detection') {
      expected.set(origin, [expectation]);
      continue;
    }
    const { key } = JSON.parse(String(message.value)) as { key: string };
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    expected.set(origin, count < windowLength ? [] : ['detection']);
  }
  return expected;
}

/**
 * The daemon's output, its partitions and offsets in the topic of detections, the surprise of each record with a detection, what its baseline took from earlier records, and the records
 * whose baseline may lack some.
 */
export async function actualOutcomes(
  kafka: Kafka,
  topic: string,
  settings: PlantSettings,
): Promise<{
  outcomes: Outcomes;
  /** By record. */
  offsets: Map<string, string[]>;
  surprises: Map<string, number>;
  followed: Map<string, object>;
  marked: Set<string>;
}> {
  const outcomes: Outcomes = new Map();
  const offsets: Outcomes = new Map();
  const surprises = new Map<string, number>();
  const followed = new Map<string, object>();
  const marked = new Set<string>();
  const byVersion = new Map<string, number>();
  for (const message of await readTopic(kafka, settings['sinks.kafka.detectionsTopic'])) {
    if (headerOf(message, 'type') !== 'detection') continue;
    const { source, surprise, baseline, incomplete, modelVersion } = JSON.parse(String(message.value)) as {
      source: { topic: string; partition: number; offset: string };
      surprise: number;
      baseline?: DeviceBaseline;
      incomplete?: readonly string[];
      modelVersion: string;
    };
    const origin = `${source.partition}/${source.offset}`;
    expect(source.topic).toBe(topic);
    // A record that one model version scores twice has the same surprise.
    const scored = `${origin} ${modelVersion}`;
    expect(byVersion.get(scored) ?? surprise).toBe(surprise);
    byVersion.set(scored, surprise);
    surprises.set(origin, surprise);
    if (isFollowed(baseline)) followed.set(origin, baseline);
    if (incomplete?.includes('baselines')) marked.add(origin);
    add(outcomes, origin, 'detection');
    add(offsets, origin, `${message.partition}/${message.offset}`);
  }
  for (const message of await readTopic(kafka, settings['sinks.kafka.deadLetterTopic'])) {
    expect(headerOf(message, 'source-topic')).toBe(topic);
    expect(headerOf(message, 'message')).not.toBe('');
    const origin = `${headerOf(message, 'source-partition')}/${headerOf(message, 'source-offset')}`;
    add(outcomes, origin, headerOf(message, 'reason'));
  }
  return { outcomes, offsets, surprises, followed, marked };
}

/** Whether the baseline of a device has moved away from that of calibration. */
export function isFollowed(baseline: DeviceBaseline | undefined): baseline is DeviceBaseline {
  return baseline !== undefined && (baseline.rise > 0 || Object.keys(baseline.shifts).length > 0);
}

/** Records whose outcome differs from the expected one. */
export function differences(
  expected: Outcomes,
  actual: Outcomes,
  same: (expected: readonly string[], actual: readonly string[]) => boolean,
) {
  const origins = [...new Set([...expected.keys(), ...actual.keys()])];
  return origins
    .map((origin) => ({
      origin,
      expected: expected.get(origin) ?? ['not produced'],
      actual: actual.get(origin) ?? [],
    }))
    .filter((outcome) => !same(outcome.expected, outcome.actual));
}

export type Same = Parameters<typeof differences>[2];
export const exactlyOnce: Same = (expected, actual) => expected.join() === actual.join();
/** After a crash the same outcome may be written again. */
export const atLeastOnce: Same = (expected, actual) => exactlyOnce(expected, [...new Set(actual)]);
