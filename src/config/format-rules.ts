/** What must hold between the keys of a detector because of how its records are written. */
import { oneOf, show } from '../schema/formats';
import type { Rule } from '../schema/rule';
import type { DetectorSettings, RecordFormat } from './settings';

const framed: readonly RecordFormat[] = ['avro', 'json-schema'];

export const formatRules: readonly Rule<DetectorSettings>[] = [
  {
    keys: ['source.kafka.registry.url', 'record.format', 'source.kind'],
    problem({ record, source }) {
      if (source.kind !== 'kafka') return undefined;
      const { url } = source.kafka.registry;
      if (framed.includes(record.format))
        return url === '' ? `is required for record.format ${show(record.format)}` : undefined;
      return url === '' ? undefined : `means nothing unless record.format is ${oneOf(framed)}`;
    },
  },
  {
    keys: ['source.kafka.registry.username', 'source.kafka.registry', 'source.kind'],
    problem({ source }) {
      if (source.kind !== 'kafka') return undefined;
      const { username, password, passwordFile } = source.kafka.registry;
      if (username === '') return passwordFile === '' ? undefined : 'is required beside passwordFile';
      return password === '' && passwordFile === ''
        ? 'needs a password: set VAEMON_KAFKA_REGISTRY_PASSWORD, or passwordFile beside it'
        : undefined;
    },
  },
  {
    keys: ['record.format', 'record.kind', 'source.kind'],
    problem({ record, source }) {
      if (record.format === 'json') return undefined;
      if (record.kind === 'image') return `is for sensor records alone (got ${show(record.format)})`;
      return source.kind === 'file'
        ? `is for a kafka source: files have CSV or JSON (got ${show(record.format)})`
        : undefined;
    },
  },
  {
    keys: ['fields.values', 'record.extraChannels', 'record.format', 'record.kind'],
    problem: ({ fields, record }) =>
      record.kind === 'sensor' && fields.values === '' && record.extraChannels === 'reject'
        ? 'may be empty only with record.extraChannels `ignore`: the record has other fields, too'
        : undefined,
  },
];
