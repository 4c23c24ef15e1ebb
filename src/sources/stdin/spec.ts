/** Records from standard input, such as `kcat -C … | vaemon run my-config -`. */
import { join } from 'node:path';
import { choice, show, whole } from '../../schema/formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import { columnsProblem, columnsSection } from '../file/spec';
import type { RecordScope, SourceSpec } from '../spec';

const section = {
  format: choice(
    {
      doc:
        'Format of the input. `ndjson`: a JSON object in each line. `csv`: rows below a header. `auto`: `ndjson` if it begins with ' +
        '`{`, else `csv`.',
      default: 'auto',
    },
    ['auto', 'ndjson', 'csv'],
  ),
  historyRecords: whole(
    {
      doc: 'Number of records at the beginning that the first model is trained on, where none is stored. They are not scored.',
      default: 3600,
    },
    { min: 0 },
  ),
  columns: columnsSection,
} satisfies Section;

type StdinSettings = Parsed<typeof section>;

const rules: readonly SectionRule<StdinSettings, RecordScope>[] = [
  {
    keys: ['columns.conditions', 'format'],
    beside: ['record.conditions'],
    problem: ({ columns, format }, { record }) =>
      format === 'csv' ? columnsProblem(columns, record.conditions) : undefined,
  },
  {
    keys: ['format'],
    beside: ['record.format'],
    problem: (_, { record }) =>
      record.format === 'json'
        ? undefined
        : `is CSV or JSON, but record.format is ${show(record.format)}: set record.format to json`,
  },
];

/** Origin of all records. */
const stdinTopic = 'stdin';

let isTaken = false;

export const stdinSource: SourceSpec<typeof section> = {
  doc: 'lines of standard input, as by `vaemon run my-config -`.',
  section,
  rules,
  bounded: true,
  topic: () => stdinTopic,
  async create(settings, { folder, timestampFormat, timeZone, onPassEnd }) {
    if (isTaken) throw new Error('standard input has one reader: another detector of this process reads it');
    isTaken = true;
    const { createStdinSource } = await import('./stdin');
    const records = { ...settings, timestampFormat, timeZone };
    return createStdinSource({
      settings: records,
      topic: stdinTopic,
      input: process.stdin,
      spool: join(folder, 'stdin'),
      onPassEnd,
    });
  },
  async createHistory(settings, { folder, timestampFormat, timeZone }) {
    const { createSpoolHistory } = await import('./spool');
    return createSpoolHistory(join(folder, 'stdin'), { ...settings, timestampFormat, timeZone });
  },
};
