/** Records from a file: CSV, NDJSON or images, delivered at a chosen rate as if they arrived live. */
import { isIdxPath } from '../../domain/recording';
import { amount, choice, column, flag, names, path, show, whole } from '../../schema/formats';
import type { Parsed, Section } from '../../schema/key';
import type { SectionRule } from '../../schema/rule';
import type { RecordScope, SourceContext, SourceSpec } from '../spec';
import { readLabels } from './fault-labels';
import { readCsvFormat, withoutColumn } from './csv';
import { createFileHistory, createFileSource, defaultColumns } from './file';

/** Keys for the columns of rows, in files and on standard input. */
export const columnsSection = {
  key: column(
    {
      doc: 'CSV column of the device (key). Empty: the file has one device, called after the file.',
      default: defaultColumns.key,
    },
    { empty: true },
  ),
  timestamp: column(
    {
      doc: 'CSV column of the event time. Empty: the file has no times; its records get times a second apart.',
      default: defaultColumns.timestamp,
    },
    { empty: true },
  ),
  conditions: names({
    doc: 'CSV columns of conditions. Every other column is a channel.',
    default: defaultColumns.conditions,
  }),
} satisfies Section;

/** Keys of a file or folder; another source can have one as its history. */
export const recordingSection = {
  ...columnsSection,
  folders: names({
    doc:
      'Of a folder of images: conditions that the folders within it stand for, the uppermost first, such as `[product]` for ' +
      '`bolt/0001.png`. The images of all folders then come evenly mixed. Empty: the folders within mean nothing.',
    default: [],
  }),
} satisfies Section;

const section = {
  path: path(
    {
      doc:
        'File to read; required. CSV with a header, NDJSON (`.ndjson`, `.jsonl`), images in the format of MNIST (`.idx3`), or a ' +
        'folder of PNG and JPEG files, also in folders within it. A name that ends in `.gz` is unpacked.',
      default: '',
    },
    { empty: true },
  ),
  rate: amount({ doc: 'Records per second. 0: as fast as they can be scored.', default: 0 }),
  loop: flag({
    doc: 'Start again at the end of the file. Event times continue from where the pass before ended.',
    default: false,
  }),
  clock: choice(
    {
      doc:
        'Clock of `training.schedule`. `wall`: the clock of the machine. `records`: event time of the records; trainings start ' +
        'without jitter, and a new model is used 10 seconds of the replay after its training has started, so that every replay ' +
        'gives the same result.',
      default: 'wall',
    },
    ['wall', 'records'],
  ),
  historyRecords: whole(
    {
      doc: 'Number of records at the beginning of the file that the first model is trained on. The source starts after them.',
      default: 3600,
    },
    { min: 0 },
  ),
  columns: recordingSection,
  labels: path(
    {
      doc: 'CSV of known faults (`start,end,kind,channels`) that the summary of a replay is compared with. Never used for training.',
      default: '',
    },
    { empty: true },
  ),
} satisfies Section;

export type FileSettings = Parsed<typeof section>;

export const isCsv = (file: string): boolean => /\.csv(\.gz)?$/.test(file);

/** Reason why subfolders do not provide the conditions that images need; undefined if they do. */
export function foldersProblem(
  folders: readonly string[],
  conditions: RecordScope['record']['conditions'],
): string | undefined {
  const categories = conditions.filter(({ kind }) => kind === 'category').map(({ name }) => name);
  const unknown = folders.filter((name) => !categories.includes(name));
  return unknown.length > 0
    ? `must name conditions of record.conditions with the kind "category" (not ${unknown.map(show).join(', ')})`
    : undefined;
}

/** Reason why the columns of a CSV file do not provide all parts of a record; undefined if they do. */
export function columnsProblem(
  columns: Pick<FileSettings['columns'], 'conditions'>,
  conditions: RecordScope['record']['conditions'],
): string | undefined {
  const absent = conditions.filter(
    ({ kind, name }) => (kind === 'category' || kind === 'number') && !columns.conditions.includes(name),
  );
  const list = absent.map(({ name }) => show(name)).join(', ');
  return absent.length > 0 ? `must name the column of every condition (missing: ${list})` : undefined;
}

const rules: readonly SectionRule<FileSettings, RecordScope>[] = [
  {
    keys: ['path'],
    problem: ({ path: file }) => (file === '' ? 'is required for a file source' : undefined),
  },
  {
    keys: ['loop', 'path'],
    problem: ({ loop, path: file }) =>
      loop && !isCsv(file) && !isIdxPath(file)
        ? 'needs a CSV or idx file: the event times of other files cannot be moved on'
        : undefined,
  },
  {
    keys: ['columns.conditions', 'path'],
    beside: ['record.conditions'],
    problem: ({ path: file, columns }, { record }) =>
      isCsv(file) ? columnsProblem(columns, record.conditions) : undefined,
  },
  {
    keys: ['columns.folders', 'path'],
    beside: ['record.conditions', 'fields.image', 'fields.key', 'fields.timestamp'],
    problem({ columns: { folders }, path: file }, { record, fields }) {
      if (folders.length === 0) return undefined;
      if (record.kind !== 'image' || isIdxPath(file) || isCsv(file)) return 'is for folders of images';
      const { image, key, timestamp } = fields;
      return image === 'image' && key === '' && timestamp === ''
        ? foldersProblem(folders, record.conditions)
        : 'needs fields.image "image", and fields.key and fields.timestamp empty: images and conditions then come as JSON';
    },
  },
  {
    keys: ['path'],
    beside: ['record.kind', 'record.image', 'fields.image'],
    problem({ path: file }, { record, fields }) {
      if (!isIdxPath(file))
        return record.kind === 'image' && isCsv(file)
          ? `has no images: they come from .idx3 or .ndjson files (got ${show(file)})`
          : undefined;
      if (record.kind === 'sensor') return `has images, but record.kind is "sensor" (got ${show(file)})`;
      const fits = record.image.format === 'raw' && record.image.colour === 'grey' && fields.image === '';
      return fits
        ? undefined
        : `has raw grey images: set record.image.format to "raw", record.image.colour to "grey", and leave fields.image out (got ${show(file)})`;
    },
  },
  {
    keys: ['path'],
    beside: ['record.format', 'record.kind'],
    problem: (_, { record }) =>
      record.format === 'json' || record.kind === 'image'
        ? undefined
        : `has CSV or JSON records, but record.format is ${show(record.format)}`,
  },
];

/** Logs which columns of a CSV file are channels. A file that cannot be read causes an error when the source runs. */
async function logColumns({ path: file, columns }: FileSettings, { log, channels }: SourceContext) {
  if (!isCsv(file)) return;
  const format = await readCsvFormat(file).catch(() => undefined);
  if (format === undefined) return;
  const { key, timestamp, conditions } = columns;
  const used = new Set([key, timestamp, ...conditions, ...channels]);
  const otherColumns = format.columns.filter((name) => !used.has(name));
  log.info('reading a CSV file', { path: file, separator: format.separator, channels, otherColumns });
  const absent = withoutColumn(format.columns, channels);
  if (absent.length > 0) log.warn('channels have no column in the file', { path: file, channels: absent });
  const without = withoutColumn(format.columns, conditions);
  if (without.length > 0)
    log.warn('conditions have no column in the file', { path: file, conditions: without });
}

export const fileSource: SourceSpec<typeof section> = {
  doc: 'a recorded file, for demos, replays and tests.',
  section,
  rules,
  bounded: true,
  topic: (settings) => settings.path,
  replayRate: ({ clock, rate }) => (clock === 'records' ? rate : undefined),
  knownFaults: ({ labels }) => (labels === '' ? undefined : readLabels(labels)),
  async create(settings, context) {
    await logColumns(settings, context);
    const { path: file, historyRecords } = settings;
    const source = createFileSource(
      { ...settings, timestampFormat: context.timestampFormat, timeZone: context.timeZone },
      (pass) => {
        if (source.position() <= historyRecords)
          context.log.warn('the file ended without a record to score: all of its records are history', {
            path: file,
            historyRecords,
            setting: 'source.file.historyRecords',
          });
        return context.onPassEnd(pass);
      },
    );
    return source;
  },
  createHistory: (settings, { records, timestampFormat, timeZone }) =>
    Promise.resolve(
      createFileHistory({ ...settings, timestampFormat, timeZone }, records ?? settings.historyRecords),
    ),
};
