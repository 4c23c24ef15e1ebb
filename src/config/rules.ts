/** What must hold between the keys of one file. */
import { isIdxPath } from '../domain/recording';
import { formatRules } from './format-rules';
import { show } from '../schema/formats';
import { imageRules } from './image-rules';
import { modelRules } from './model-rules';
import type { Rule } from '../schema/rule';
import { securityRules } from './security-rules';
import type { DetectorSettings, KafkaConnectionSettings, KafkaSettings } from './settings';
import { didYouMean, nearest } from '../schema/suggest';

/** How the Kafka sink will connect: to its own brokers, or as the source does. Credentials go to no other cluster. */
export function sinkConnection({ source, sinks }: DetectorSettings): KafkaConnectionSettings {
  return sinks.kafka.brokers.length > 0 || source.kind !== 'kafka' ? sinks.kafka : source.kafka;
}

function sameBrokers(kafka: KafkaSettings, others: readonly string[]): boolean {
  return others.some((broker) => kafka.brokers.includes(broker));
}

/** A topic that is both read and written would feed the detector with its own verdicts. */
function loopRule(name: 'detectionsTopic' | 'deadLetterTopic'): Rule<DetectorSettings> {
  return {
    keys: [`sinks.kafka.${name}`, 'source.kind', 'source.kafka', 'sinks.kafka.brokers'],
    problem(settings) {
      const { source, sinks } = settings;
      const loops =
        source.kind === 'kafka' &&
        sinks.kafka[name] !== '' &&
        sinks.kafka[name] === source.kafka.topic &&
        sameBrokers(source.kafka, sinkConnection(settings).brokers);
      return loops ? `must not be the topic that is read (got ${show(sinks.kafka[name])})` : undefined;
    },
  };
}

export const detectorRules: readonly Rule<DetectorSettings>[] = [
  {
    keys: ['record.signals', 'record.channels'],
    problem({ record: { signals, channels } }) {
      const strange = signals.filter(({ channel }) => !channels.includes(channel));
      const list = strange.map(({ channel }) => `${show(channel)}${didYouMean(nearest(channel, channels))}`);
      return strange.length > 0
        ? `must name channels of record.channels (not ${list.join(', ')})`
        : undefined;
    },
  },
  {
    keys: ['source.file.loop', 'source.file.path', 'source.kind'],
    problem: ({ source }) =>
      source.kind === 'file' &&
      source.file.loop &&
      !/\.csv(\.gz)?$/.test(source.file.path) &&
      !isIdxPath(source.file.path)
        ? 'needs a CSV or idx file: the records of others are handed on as they are, and their times cannot be moved on'
        : undefined,
  },
  {
    keys: ['source.file.path', 'source.kind'],
    problem: ({ source }) =>
      source.kind === 'file' && source.file.path === '' ? 'is required for a file source' : undefined,
  },
  {
    keys: ['source.kafka.brokers', 'source.kind'],
    problem: ({ source }) =>
      source.kind === 'kafka' && source.kafka.brokers.length === 0
        ? 'is required for a kafka source: at least one `host:port`'
        : undefined,
  },
  {
    keys: ['source.kafka.topic', 'source.kind'],
    problem: ({ source }) =>
      source.kind === 'kafka' && source.kafka.topic === '' ? 'is required for a kafka source' : undefined,
  },
  {
    keys: ['sinks.kafka.deadLetterTopic', 'sinks.kafka.enabled', 'source.kind'],
    problem({ source, sinks }) {
      if (sinks.kafka.deadLetterTopic !== '') return undefined;
      if (source.kind === 'kafka') {
        return 'is required for a kafka source: records that cannot be used go there, nothing is dropped in silence';
      }
      return sinks.kafka.enabled ? 'is required when sinks.kafka is enabled' : undefined;
    },
  },
  {
    keys: ['sinks.kafka.detectionsTopic', 'sinks.kafka.enabled'],
    problem: ({ sinks }) =>
      sinks.kafka.enabled && sinks.kafka.detectionsTopic === ''
        ? 'is required when sinks.kafka is enabled'
        : undefined,
  },
  {
    keys: ['sinks.kafka.brokers', 'sinks.kafka.enabled', 'source.kind'],
    problem: ({ source, sinks }) =>
      sinks.kafka.enabled && source.kind === 'file' && sinks.kafka.brokers.length === 0
        ? 'is required when sinks.kafka is enabled and the source has no brokers'
        : undefined,
  },
  {
    keys: ['delivery', 'source.kind', 'sinks.kafka.enabled', 'sinks.kafka.brokers', 'source.kafka.brokers'],
    problem({ delivery, source, sinks }) {
      if (delivery !== 'exactly-once') return undefined;
      if (source.kind !== 'kafka') return 'cannot be `exactly-once` with a file: it has no offsets to commit';
      if (!sinks.kafka.enabled)
        return 'cannot be `exactly-once` without sinks.kafka: verdicts and offsets are committed together';
      const others = sinks.kafka.brokers.filter((broker) => !source.kafka.brokers.includes(broker));
      return others.length > 0
        ? `cannot be \`exactly-once\` over two clusters: leave sinks.kafka.brokers empty (not in source.kafka.brokers: ${others.join(', ')})`
        : undefined;
    },
  },
  {
    keys: ['training.labels.topic', 'source.kind', 'source.kafka.topic'],
    problem({ training: { labels }, source }) {
      if (labels.topic === '') return undefined;
      if (source.kind !== 'kafka') return 'needs a kafka source: it is read from its brokers';
      return labels.topic === source.kafka.topic ? 'must not be the topic of the records' : undefined;
    },
  },
  loopRule('detectionsTopic'),
  loopRule('deadLetterTopic'),
  {
    keys: ['sinks.kafka.detectionsTopic', 'sinks.kafka.deadLetterTopic'],
    problem: ({ sinks }) =>
      sinks.kafka.detectionsTopic !== '' && sinks.kafka.detectionsTopic === sinks.kafka.deadLetterTopic
        ? 'must not be the dead-letter topic as well'
        : undefined,
  },
  {
    keys: ['source.file.columns.conditions', 'source.kind', 'source.file.path', 'record.conditions'],
    problem({ source, record }) {
      if (source.kind !== 'file' || !/\.csv(\.gz)?$/.test(source.file.path)) return undefined;
      const columns = source.file.columns.conditions;
      const absent = record.conditions.filter(
        ({ kind, name }) => (kind === 'category' || kind === 'number') && !columns.includes(name),
      );
      const list = absent.map(({ name }) => show(name)).join(', ');
      return absent.length > 0 ? `must name the column of every condition (not yet: ${list})` : undefined;
    },
  },
  {
    keys: ['calibration.groupBy', 'record.conditions'],
    problem({ calibration: { groupBy }, record }) {
      if (groupBy === '') return undefined;
      const categories = record.conditions.filter(({ kind }) => kind === 'category').map(({ name }) => name);
      return categories.includes(groupBy)
        ? undefined
        : `must be a category of record.conditions (got ${show(groupBy)}${didYouMean(nearest(groupBy, categories))})`;
    },
  },
  {
    keys: ['calibration.groupBy', 'calibration.baselineRecords'],
    problem: ({ calibration: { groupBy, baselineRecords } }) =>
      groupBy !== '' && baselineRecords > 0
        ? 'goes without calibration.baselineRecords: a level over all groups would move with every change of the group'
        : undefined,
  },
  ...imageRules,
  ...formatRules,
  ...securityRules,
  ...modelRules,
  {
    keys: ['training.minRecords', 'training.maxRecords'],
    problem: ({ training }) =>
      training.minRecords <= training.maxRecords
        ? undefined
        : `must not be above training.maxRecords (got ${training.minRecords}, ${training.maxRecords})`,
  },
  {
    keys: ['window.interval', 'window.gaps'],
    problem: ({ window }) =>
      window.gaps !== 'ignore' && window.intervalMs === 0
        ? `is required when window.gaps is \`${window.gaps}\`: without it no gap can be recognised`
        : undefined,
  },
  {
    keys: ['window.interval', 'window.ttl'],
    problem: ({ window }) =>
      window.intervalMs <= window.ttlMs
        ? undefined
        : `must not be above window.ttl: every record would start a new window (got ${window.intervalMs} ms, ${window.ttlMs} ms)`,
  },
  {
    keys: ['events.openRecords', 'events.openWindow'],
    problem: ({ events }) =>
      events.openRecords <= events.openWindow
        ? undefined
        : `must not be above events.openWindow (got ${events.openRecords}, ${events.openWindow})`,
  },
];
