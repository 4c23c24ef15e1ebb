/** Records from a Kafka topic, as a member of a consumer group. */
import type { Kafka } from 'kafkajs';
import type { KafkaUse } from '../../kafka/explain-error';
import {
  authoritiesDoc,
  connectionRules,
  connectionSection,
  optionalFile,
} from '../../kafka/connection-settings';
import { choice, secret, text, whole } from '../../schema/formats';
import { identifier, topic as topicName, url } from '../../schema/network-formats';
import { duration } from '../../schema/time-formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import type { SourceSpec } from '../spec';

const section = {
  ...connectionSection('Brokers to connect to first; required.'),
  clientId: identifier({ doc: 'Client id in the logs and metrics of the brokers.', default: 'vaemon' }),
  topic: topicName({ doc: 'Topic to read; required.', default: '' }),
  groupId: identifier(
    { doc: 'Consumer group. Empty: `vaemon-` and the name of the detector.', default: '' },
    { empty: true },
  ),
  startFrom: choice({ doc: 'Where a group without committed offsets starts.', default: 'latest' }, [
    'earliest',
    'latest',
  ]),
  warmUpRecords: whole(
    {
      doc:
        'Messages per partition to read again to fill the windows (warm-up) where no partition state is stored. No detections ' +
        'are written for them.',
      default: 1000,
    },
    { min: 0 },
  ),
  maxWarmUpRecords: whole(
    {
      doc:
        'Largest number of messages per partition to read again between the stored partition state and the next record. Older ' +
        'state is not used.',
      default: 1_000_000,
    },
    { min: 0 },
  ),
  saveEveryRecords: whole({
    doc: 'Smallest number of messages of a partition between two saves of its state.',
    default: 10_000,
  }),
  maxBatchRecords: whole(
    { doc: 'Largest batch that is scored and acknowledged at once.', default: 1000 },
    { max: 100_000 },
  ),
  sessionTimeout: duration(
    {
      doc: 'Time without a heartbeat after which the group gives the partitions to another member.',
      default: '30s',
    },
    { timer: true, min: 1000 },
  ),
  stallTimeout: duration(
    {
      doc:
        'Restart the consumer if, with no batch in progress, it fetches nothing for this long, or nothing of a partition that ' +
        'has records.',
      default: '2m',
    },
    { timer: true, min: 1000 },
  ),
  registry: {
    url: url({
      doc: 'Schema registry with the API of Confluent. Required for the formats `avro` and `json-schema`.',
      default: '',
    }),
    username: text({ doc: 'User for basic authentication. Empty: none.', default: '' }, 'a name, or empty'),
    password: secret({ doc: 'Password of the user, unless `passwordFile` is set.' }),
    passwordFile: optionalFile(
      'File with the password; takes precedence over `password`. Read again for each request.',
    ),
    ca: optionalFile(authoritiesDoc),
    timeout: duration({ doc: 'Timeout of one request.', default: '5s' }, { timer: true, min: 1 }),
  },
} satisfies Section;

export type KafkaSettings = Parsed<typeof section>;

const rules: readonly SectionRule<KafkaSettings>[] = [
  {
    keys: ['brokers'],
    problem: ({ brokers }) =>
      brokers.length === 0 ? 'is required for a kafka source: at least one `host:port`' : undefined,
  },
  {
    keys: ['topic'],
    problem: ({ topic }) => (topic === '' ? 'is required for a kafka source' : undefined),
  },
  {
    keys: ['registry.username', 'registry'],
    problem({ registry: { username, password, passwordFile } }) {
      if (username === '') return passwordFile === '' ? undefined : 'is required where passwordFile is set';
      return password === '' && passwordFile === ''
        ? 'needs a password: set VAEMON_KAFKA_REGISTRY_PASSWORD, or passwordFile'
        : undefined;
    },
  },
  ...connectionRules('VAEMON_KAFKA'),
];

/** Members of one group must read the same topics, so each detector has its own group. */
function complete(settings: KafkaSettings, detector: string): KafkaSettings {
  return settings.groupId === '' ? { ...settings, groupId: `vaemon-${detector}` } : settings;
}

const readingOf = ({ brokers, topic, groupId }: KafkaSettings, kafka: Kafka): KafkaUse => ({
  kafka,
  brokers,
  topics: [topic],
  access: 'read',
  groupId,
});

export const kafkaSource: SourceSpec<typeof section> = {
  doc: 'a Kafka topic.',
  section,
  rules,
  bounded: false,
  complete,
  topic: ({ topic }) => topic,
  state: ({ groupId, saveEveryRecords, maxWarmUpRecords }) => ({
    group: groupId,
    saveEvery: saveEveryRecords,
    maxReplay: maxWarmUpRecords,
  }),
  async create(settings, { log, observer, restorePoints, committer, shutdownTimeoutMs }) {
    const { createKafkaClient } = await import('../../kafka/client');
    const { explainKafkaError } = await import('../../kafka/explain-error');
    const { createKafkaSource } = await import('./kafka');
    const kafka = createKafkaClient({ ...settings, log });
    return createKafkaSource({
      kafka,
      settings,
      explain: (error) => explainKafkaError(error, readingOf(settings, kafka)),
      observer,
      restorePoints,
      committer,
      // The source stops in three steps with this deadline each; the remaining quarter is for the sinks.
      stopTimeoutMs: shutdownTimeoutMs / 4,
      stallTimeoutMs: settings.stallTimeoutMs,
    });
  },
  async createHistory(settings, { log }) {
    const { createKafkaClient } = await import('../../kafka/client');
    const { explainKafkaError } = await import('../../kafka/explain-error');
    const { createKafkaHistory } = await import('./history');
    const { topic } = settings;
    const kafka = createKafkaClient({ ...settings, purpose: 'train', log });
    return createKafkaHistory({
      kafka,
      settings,
      explain: (error) => explainKafkaError(error, readingOf(settings, kafka)),
      onUnread: (ranges) =>
        log.warn('history could not be read to its end', {
          topic,
          partitions: ranges.map(({ partition }) => partition),
        }),
    });
  },
};
