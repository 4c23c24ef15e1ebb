/** Writes detections, events and dead letters to Kafka topics. */
import {
  connectionRules,
  connectionSection,
  type KafkaConnectionSettings,
} from '../../kafka/connection-settings';
import { choice, flag, show } from '../../schema/formats';
import { topic as topicName } from '../../schema/network-formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import type { SourceSettings } from '../../sources/configured';
import type { CreatedSink, SinkContext, SinkScope, SinkSpec } from '../spec';
import type { Sink } from '../sink';

const section = {
  enabled: flag({ doc: 'Write detections and events to Kafka.', default: false }),
  ...connectionSection(
    'Brokers to connect to first. Empty: the sink connects as the source does, and tls and sasl here have no effect.',
  ),
  detectionsTopic: topicName({
    doc: 'Topic of detections and events. Required where the sink is enabled.',
    default: '',
  }),
  deadLetterTopic: topicName({
    doc: 'Topic of rejected records (dead letters). Required where the sink is enabled, and for a Kafka source.',
    default: '',
  }),
  emit: choice(
    {
      doc: 'Which detections are written. Events and dead letters always are.',
      default: 'anomalies',
    },
    ['all', 'anomalies'],
  ),
  compression: choice(
    { doc: 'Compression of the messages written. Messages read may have any of these.', default: 'none' },
    ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  ),
} satisfies Section;

type KafkaSinkSettings = Parsed<typeof section>;
type KafkaRule = SectionRule<KafkaSinkSettings, SinkScope>;

/**
 * The sink's own brokers or, without them, the connection of the source. Credentials of the source are used only for its
 * cluster.
 */
export function sinkConnection(
  sink: KafkaConnectionSettings,
  source: SourceSettings,
): KafkaConnectionSettings & { clientId: string } {
  const clientId = source.kind === 'kafka' ? source.kafka.clientId : 'vaemon';
  return sink.brokers.length > 0 || source.kind !== 'kafka' ? { ...sink, clientId } : source.kafka;
}

/** If a topic were both read and written, the detector would read its own detections. */
function loopRule(name: 'detectionsTopic' | 'deadLetterTopic'): KafkaRule {
  return {
    keys: [name, 'brokers'],
    beside: ['source.kind', 'source.kafka'],
    problem(sink, { source }) {
      if (source.kind !== 'kafka' || sink[name] === '' || sink[name] !== source.kafka.topic) return undefined;
      const sameCluster = sinkConnection(sink, source).brokers.some((one) =>
        source.kafka.brokers.includes(one),
      );
      return sameCluster
        ? `must not be the topic that the source reads (got ${show(sink[name])})`
        : undefined;
    },
  };
}

const rules: readonly KafkaRule[] = [
  {
    keys: ['deadLetterTopic', 'enabled'],
    beside: ['source.kind'],
    problem({ deadLetterTopic, enabled }, { source }) {
      if (deadLetterTopic !== '') return undefined;
      if (source.kind === 'kafka')
        return 'is required for a kafka source: rejected records are written there';
      return enabled ? 'is required where sinks.kafka is enabled' : undefined;
    },
  },
  {
    keys: ['detectionsTopic', 'enabled'],
    problem: ({ detectionsTopic, enabled }) =>
      enabled && detectionsTopic === '' ? 'is required where sinks.kafka is enabled' : undefined,
  },
  {
    keys: ['brokers', 'enabled'],
    beside: ['source.kind'],
    problem: ({ brokers, enabled }, { source }) =>
      enabled && source.kind !== 'kafka' && brokers.length === 0
        ? 'is required where sinks.kafka is enabled and the source has no brokers'
        : undefined,
  },
  loopRule('detectionsTopic'),
  loopRule('deadLetterTopic'),
  {
    keys: ['detectionsTopic', 'deadLetterTopic'],
    problem: ({ detectionsTopic, deadLetterTopic }) =>
      detectionsTopic !== '' && detectionsTopic === deadLetterTopic
        ? 'must not be the dead-letter topic as well'
        : undefined,
  },
  ...connectionRules('VAEMON_SINKS_KAFKA').map((rule): KafkaRule => ({
    ...rule,
    problem: (sink) => (sink.brokers.length > 0 ? rule.problem(sink, undefined) : undefined),
  })),
  {
    keys: ['brokers', 'tls', 'sasl'],
    beside: ['source.kind'],
    problem: ({ brokers, tls, sasl }, { source }) =>
      source.kind === 'kafka' && brokers.length === 0 && (tls.enabled || sasl.mechanism !== 'none')
        ? 'is required where tls or sasl is set here: without brokers the sink connects as the source does'
        : undefined,
  },
];

/** A Kafka source always writes its dead letters, even if detections are not written. */
function deadLettersOnly(sink: Sink): Sink {
  return {
    name: sink.name,
    anomaliesOnly: true,
    write: ({ deadLetters }) => sink.write({ detections: [], events: [], deadLetters }),
    close: () => sink.close(),
  };
}

async function create(
  settings: KafkaSinkSettings,
  { detector: { source, delivery }, log, onTransaction }: SinkContext,
): Promise<CreatedSink | undefined> {
  if (!settings.enabled && source.kind !== 'kafka') return undefined;
  const { createKafkaClient } = await import('../../kafka/client');
  const { explainKafkaError } = await import('../../kafka/explain-error');
  const connection = sinkConnection(settings, source);
  const kafka = createKafkaClient({ ...connection, log });
  const topics = [...(settings.enabled ? [settings.detectionsTopic] : []), settings.deadLetterTopic];
  const { brokers } = connection;
  const explain = (error: unknown) =>
    explainKafkaError(error, { kafka, brokers, topics, access: 'write' as const });
  if (delivery === 'exactly-once' && source.kind === 'kafka') {
    const { createTransactionalSink } = await import('./transactions');
    const { topic, groupId } = source.kafka;
    const sink = createTransactionalSink({ kafka, settings, groupId, explain, onTransaction });
    return {
      sink,
      committer: {
        fence: (partitions) => sink.fence(topic, partitions),
        commitStartOffset: (partition, offset) => sink.commitStartOffset(topic, partition, offset),
      },
    };
  }
  const { createKafkaSink } = await import('./kafka');
  const sink = createKafkaSink({ kafka, settings, explain });
  return { sink: settings.enabled ? sink : deadLettersOnly(sink) };
}

export const kafkaSink: SinkSpec<typeof section> = { section, rules, create };
