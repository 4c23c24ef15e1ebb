/** The key `record.format`, composed from the list of codecs. */
import { choice, oneOf, show } from '../schema/formats';
import type { Rule } from '../schema/rule';
import type { SourceSettings } from '../sources/configured';
import type { CodecSpec } from './codec';
import { codecs, type RecordFormat } from './codecs';

const specs: readonly [string, CodecSpec][] = Object.entries(codecs);

export const formatKey = choice(
  {
    doc: `Format of sensor records (docs/formats.md). ${specs.map(([name, { doc }]) => `\`${name}\`: ${doc}`).join(' ')}`,
    default: 'json',
  },
  Object.keys(codecs) as RecordFormat[],
);

const registered = specs.filter(([, spec]) => spec.registered).map(([name]) => name);

export const codecRules: readonly Rule<{
  source: SourceSettings;
  record: { kind: 'sensor' | 'image'; format: string };
}>[] = [
  {
    keys: ['source.kafka.registry.url', 'record.format', 'source.kind'],
    problem({ record, source }) {
      if (source.kind !== 'kafka') return undefined;
      const { url } = source.kafka.registry;
      if (registered.includes(record.format))
        return url === '' ? `is required for record.format ${show(record.format)}` : undefined;
      return url === '' ? undefined : `has no effect unless record.format is ${oneOf(registered)}`;
    },
  },
  {
    keys: ['record.format', 'record.kind'],
    problem: ({ record }) =>
      record.kind === 'image' && record.format !== 'json'
        ? `is for sensor records only (got ${show(record.format)})`
        : undefined,
  },
];
