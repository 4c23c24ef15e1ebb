/** Every format of sensor records by its `record.format`. A new codec is its file or folder and one line here. */
import { choice, oneOf, show } from '../schema/formats';
import type { Rule } from '../schema/rule';
import type { SourceSettings } from '../sources/sources';
import { avro } from './avro/avro';
import { binary } from './binary';
import type { CodecSpec } from './codec';
import { json } from './json/json';
import { jsonSchema } from './json-schema/json-schema';

export const codecs = {
  json,
  avro,
  'json-schema': jsonSchema,
  binary,
} as const satisfies Record<string, CodecSpec>;

export type RecordFormat = keyof typeof codecs;

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
