/** Reads a sample of bounded size from a Kafka topic, from several times of its history. */
import type { Admin } from 'kafkajs';
import { stringify } from 'yaml';
import { messageKey } from '../../codecs/envelope';
import { sourceOf, type DetectorSettings } from '../../config/settings';
import { DecodeError } from '../../errors';
import type { Logger } from '../../logger';
import { configuredSource } from '../../sources/configured';
import type { Message } from '../../sources/source';
import { infer } from './inference/infer';
import { UnusableSampleError } from './inference/unusable';
import { createSampleBuilder, type Sample } from './inference/sample';
import { deadLetterTopic, detectionsTopic, kafkaSection, type TopicOrigin } from './origin';
import { loadText } from './load-text';
import { formatNames, formatOf, readerOf, type MessageFormat } from './message-reader';
import type { RecordedSample } from './recorded-sample';
import { percent } from '../wording';

/** Number of stretches of the topic in the sample. */
const usualBlocks = 20;
/** If a device has fewer records in a stretch, fewer and longer stretches are read. */
const minRecordsInARow = 50;
const maxBytes = 512 * 1024 * 1024;
/** Smallest share of messages of another format that is reported. */
const minOther = 0.001;

/**
 * @throws UnusableSampleError if the topic is empty, or its messages cannot be read
 */
export async function sampleTopic(
  origin: TopicOrigin,
  {
    maxRecords,
    env,
    log,
  }: { maxRecords: number; env: Readonly<Record<string, string | undefined>>; log: Logger },
): Promise<RecordedSample> {
  const settings = await probeSettings(origin, env);
  const spread = await readSample(settings, { maxRecords, blocks: usualBlocks, log });
  // In short stretches, the records of many devices would not follow each other.
  const blocks = Math.max(1, Math.floor((usualBlocks * recordsInARow(spread.sample)) / minRecordsInARow));
  const isSpread = spread.share < 1;
  const { sample, format, counts, most, messages, share } =
    isSpread && blocks < usualBlocks ? await readSample(settings, { maxRecords, blocks, log }) : spread;
  const others = [...counts].filter(([kind, n]) => kind !== most && n >= minOther * messages.length);
  const { notes, missingTopics } = await lookAtTopics(settings, log);
  return {
    format,
    sample,
    read: messages.length,
    isMore: isSpread,
    share,
    messages,
    notes: [
      ...(isSpread && blocks === 1
        ? [
            'the sample is the newest part of the topic alone, so that it has several records of each of its many devices',
          ]
        : []),
      ...others.map(
        ([kind, n]) =>
          `${percent(n / messages.length)} of the messages are ${formatNames[kind]}, and are rejected`,
      ),
      ...notes,
    ],
    missingTopics,
  };
}

/** Settings that suffice to read the topic, before its records are known. */
async function probeSettings(
  origin: TopicOrigin,
  env: Readonly<Record<string, string | undefined>>,
): Promise<DetectorSettings> {
  const document = {
    detector: 'init',
    source: { kind: 'kafka', kafka: kafkaSection(origin) },
    record: { channels: ['any'], ...(origin.registry !== '' && { format: 'avro' }) },
    sinks: { kafka: { deadLetterTopic: deadLetterTopic(origin.topic) } },
  };
  return loadText(stringify(document), env);
}

interface Reading {
  maxRecords: number;
  blocks: number;
  log: Logger;
}

async function readSample(settings: DetectorSettings, reading: Reading) {
  const { messages, blockOf, share } = await readTopic(settings, reading);
  if (messages.length === 0)
    throw new UnusableSampleError(
      'the topic has no messages: its producers write nothing, or its retention has deleted all',
    );
  const counts = new Map<MessageFormat, number>();
  for (const { value } of messages) counts.set(formatOf(value), (counts.get(formatOf(value)) ?? 0) + 1);
  const [[most]] = [...counts].sort((a, b) => b[1] - a[1]) as [[MessageFormat, number]];
  const { format, read } = await readerOf(most, messages, settings);
  const builder = createSampleBuilder();
  messages.forEach((message, i) => {
    const record = formatOf(message.value) === most ? read(message.value!) : undefined;
    if (record !== undefined)
      builder.add(record, {
        key: keyOf(message),
        timestamp: message.timestamp,
        block: blockOf[i]!,
        partition: message.origin.partition,
      });
  });
  return { sample: builder.build(), format, counts, most, messages, share };
}

async function readTopic(settings: DetectorSettings, { maxRecords, blocks, log }: Reading) {
  const context = { log, folder: '', records: undefined, timestampFormat: 'auto' as const, timeZone: '' };
  const history = await configuredSource(settings.source).createHistory(context);
  const messages: Message[] = [];
  const blockOf: string[] = [];
  let [bytes, share] = [0, 1];
  const onShare = (read: number): void => {
    share = read;
  };
  for await (const chunk of history({ from: undefined, to: undefined, maxRecords, blocks, onShare })) {
    for (const message of chunk) {
      messages.push(message);
      blockOf.push(chunk.block ?? '');
      bytes += message.value?.length ?? 0;
    }
    if (bytes > maxBytes) break;
  }
  return { messages, blockOf, share };
}

/** Infinity if nothing can be inferred, as another sample would not change that. */
function recordsInARow(sample: Sample): number {
  try {
    return infer(sample).cadence.recordsPerDevice;
  } catch (error) {
    if (error instanceof UnusableSampleError) return Infinity;
    throw error;
  }
}

function keyOf(message: Message): string | undefined {
  try {
    return messageKey(message);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Checks whether the topic keeps the past, and which topics are missing. Without the right to check, nothing is reported. */
async function lookAtTopics(
  settings: DetectorSettings,
  log: Logger,
): Promise<{ notes: string[]; missingTopics: string[] }> {
  const { createKafkaClient } = await import('../../kafka/client');
  const { kafka: connection } = sourceOf(settings, 'kafka');
  const { topic } = connection;
  const admin = createKafkaClient({ ...connection, purpose: 'train', log }).admin();
  try {
    await admin.connect();
    const existing = await admin.listTopics();
    const missingTopics = [detectionsTopic(topic), deadLetterTopic(topic)].filter(
      (name) => !existing.includes(name),
    );
    return { notes: await compactionNotes(admin, topic), missingTopics };
  } catch {
    return { notes: [], missingTopics: [] };
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** Notes for a compacted topic: compaction deletes the past that a training needs. */
async function compactionNotes(admin: Admin, topic: string): Promise<string[]> {
  const { ConfigResourceTypes } = await import('kafkajs');
  const { resources } = await admin
    .describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
    })
    .catch(() => ({ resources: [] }));
  const policy = resources[0]?.configEntries[0]?.configValue ?? '';
  return policy.includes('compact')
    ? [
        `the topic is compacted (cleanup.policy=${policy}): older records of a device are deleted, so trainings find little history`,
      ]
    : [];
}
