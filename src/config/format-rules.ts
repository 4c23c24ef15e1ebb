/** What must hold between the keys of a detector because of how its records are written. */
import { show } from './formats';
import type { Rule } from './rule';
import type { DetectorSettings } from './settings';

export const formatRules: readonly Rule<DetectorSettings>[] = [
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
