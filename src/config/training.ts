/** Key `training`: when models are trained, and on which records. */
import { givenConditions } from '../domain/record';
import { choice, flag, oneOf, path, shareOrNone, show, whole } from '../schema/formats';
import { topic } from '../schema/network-formats';
import { cron, duration, timeZone } from '../schema/time-formats';
import type { Parsed, Section } from '../schema/key';
import type { Rule } from '../schema/rule';
import type { SourceSettings } from '../sources/configured';
import { columnsProblem, foldersProblem, isCsv, recordingSection } from '../sources/file/spec';
import type { RecordScope } from '../sources/spec';

export const trainingSection = {
  atStart: choice(
    {
      doc: 'When the daemon trains at its start. `if-missing`: only without a usable model. `always`: at each start.',
      default: 'if-missing',
    },
    ['if-missing', 'always'],
  ),
  schedule: cron({
    doc: 'When a new model is trained. Empty: not on a schedule.',
    default: '0 3 * * *',
    reloads: true,
  }),
  timeZone: timeZone({
    doc: 'Time zone of the schedule, and of the seasons of `record.seasons`.',
    default: 'UTC',
    reloads: true,
  }),
  jitter: duration(
    { doc: 'Longest random delay of a scheduled training.', default: '5m', reloads: true },
    { timer: true },
  ),
  timeout: duration(
    { doc: 'A training that takes longer than this is stopped.', default: '30m', reloads: true },
    { timer: true, min: 1000 },
  ),
  seed: whole(
    { doc: 'Seed of all random numbers.', default: 1, reloads: true },
    { min: 0, max: 2 ** 32 - 1 },
  ),
  epochs: whole(
    {
      doc: 'Largest number of passes over the training windows. 0: derived from the number of windows.',
      default: 0,
      reloads: true,
    },
    { min: 0, max: 100_000 },
  ),
  batchSize: whole(
    { doc: 'Windows per training step. 0: derived from the number of windows.', default: 0, reloads: true },
    { min: 0, max: 65_536 },
  ),
  learningRate: shareOrNone({
    doc: 'Step size of Adam. 0: derived from the number of windows.',
    default: 0,
    reloads: true,
  }),
  patience: whole(
    {
      doc: 'Epochs without a better validation loss after which training ends. 0: derived from the number of epochs.',
      default: 0,
      reloads: true,
    },
    { min: 0 },
  ),
  maxRecords: whole({
    doc:
      'Largest number of records that a training learns from: the newest ones, unless `training.blocks` is above 1. Where ' +
      'these are no full windows, as a Kafka topic has too many devices: those of some devices, further back (docs/kafka.md).',
    default: 200_000,
    reloads: true,
  }),
  blocks: whole(
    {
      doc:
        'Number of stretches, spread evenly over `training.history`, that the records of a Kafka topic or of Prometheus are read from. Each must be ' +
        'long enough for windows of every device.',
      default: 1,
      reloads: true,
    },
    { max: 10_000 },
  ),
  minRecords: whole(
    {
      doc: 'With fewer windows than this the configured model is not trained; a linear one scores until then (docs/rules.md).',
      default: 1000,
      reloads: true,
    },
    { min: 100 },
  ),
  history: duration(
    {
      doc: 'How far back the history of a Kafka topic, or of Prometheus, is read.',
      default: '14d',
      reloads: true,
    },
    { min: 1000 },
  ),
  historyFrom: {
    path: path(
      {
        doc:
          'CSV or NDJSON file (`.csv`, `.ndjson`, `.jsonl`, also `.gz`) with older records, for a Kafka topic or a Prometheus that keeps too ' +
          'few. A training reads it in addition: of each device the records before the first one of the source, the newest ones, up to ' +
          '`training.maxRecords` in all. For images: a folder of PNG and JPEG files, or an idx file. Empty: none.',
        default: '',
      },
      { empty: true },
    ),
    columns: recordingSection,
  },
  quarantine: duration({
    doc: 'Records closer to an event than this are left out of training.',
    default: '1m',
  }),
  labels: {
    file: path(
      {
        doc:
          'CSV of labels for past records: `start,end`, and optionally `key` (a device; empty: all) and `label`. `anomaly`: the ' +
          'records are left out of training, and their events cost no alarm budget. `normal`: they are trained on even where they ' +
          'raised an alarm. `new normal`: so are these, and an open event is accepted at once. The daemon follows the file ' +
          '(docs/rules.md).',
        default: '',
      },
      { empty: true },
    ),
    topic: topic({
      doc:
        'Kafka topic of labels, on the brokers of the source. Each message is a JSON object with the fields of the CSV; a later ' +
        'message with the same key replaces it. The daemon follows the topic.',
      default: '',
    }),
  },
  maxExcludedShare: shareOrNone({
    doc: 'Largest share of the history that events and labels exclude. Above it the longest events are trained on.',
    default: 0.5,
    reloads: true,
  }),
  onDrift: flag({
    doc: 'Train when drift is detected, in addition to the schedule.',
    default: false,
    reloads: true,
  }),
  onDriftAfter: duration({
    doc: 'Shortest time between two trainings that drift starts.',
    default: '1h',
    reloads: true,
  }),
  challenger: {
    enabled: flag({
      doc:
        'A version that is trained while another one is in use scores in its shadow first, and comes into use only when its gates ' +
        'pass (docs/rules.md). `false`: at once.',
      default: true,
      reloads: true,
    }),
    for: duration(
      { doc: 'How long a new version scores in the shadow.', default: '1h', reloads: true },
      { min: 1000 },
    ),
    devices: whole({
      doc: 'Number of devices whose records are scored in the shadow, in each process, at any one time.',
      default: 20,
      reloads: true,
    }),
    records: whole(
      {
        doc:
          'Largest number of records that are scored in the shadow, in each process. Its gates are not evaluated before a twentieth of ' +
          'them.',
        default: 20_000,
        reloads: true,
      },
      { min: 20 },
    ),
    rollbackWithin: duration({
      doc:
        'How long a version that has passed its gates is watched after it came into use: the previous one scores in its shadow, and ' +
        'comes back if a gate fails. 0: not watched.',
      default: '6h',
      reloads: true,
    }),
  },
  keepVersions: whole(
    { doc: 'Smallest number of model versions kept on disk.', default: 5, reloads: true },
    { max: 1000 },
  ),
  keepFor: duration({
    doc:
      'Further model versions, up to a hundred in all, are kept if they were current within this time, so that detections of ' +
      'that age can be replayed.',
    default: '14d',
    reloads: true,
  }),
} satisfies Section;

interface TrainingSettings extends Pick<RecordScope, 'record'> {
  source: SourceSettings;
  fields: { key: string; timestamp: string };
  training: Parsed<typeof trainingSection>;
}

export const trainingRules: readonly Rule<TrainingSettings>[] = [
  {
    keys: [
      'training.historyFrom.path',
      'training.historyFrom.columns.folders',
      'source.kind',
      'record.kind',
      'fields.key',
      'fields.timestamp',
    ],
    problem({ training: { historyFrom }, source, record, fields }) {
      const { path: file } = historyFrom;
      if (file === '') return undefined;
      if (source.kind === 'file') return 'is for other sources: a file source has its history in source.file';
      if (record.kind === 'image') {
        const given = givenConditions(record.conditions).map(({ name }) => name);
        const { folders } = historyFrom.columns;
        const absent = given.filter((name) => !folders.includes(name));
        if (absent.length > 0)
          return `has images without conditions, but the detector has ${oneOf(absent)}: name it in training.historyFrom.columns.folders if folders stand for it`;
        const problem = foldersProblem(folders, record.conditions);
        if (problem !== undefined) return `has columns.folders, which ${problem}`;
        return /\.(csv|ndjson|jsonl)(\.gz)?$/.test(file)
          ? `must be a folder of PNG and JPEG files, or an idx file (got ${show(file)})`
          : undefined;
      }
      if (!/\.(csv|ndjson|jsonl)(\.gz)?$/.test(file))
        return `must be a CSV or NDJSON file (got ${show(file)})`;
      const absent = (['key', 'timestamp'] as const).find((name) => fields[name] === '');
      return isCsv(file) || absent === undefined
        ? undefined
        : `has lines without a message around them, so that fields.${absent} must not be empty (got ${show(file)})`;
    },
  },
  {
    keys: ['training.historyFrom.columns.conditions', 'training.historyFrom.path', 'record.conditions'],
    problem: ({ training: { historyFrom }, record }) =>
      isCsv(historyFrom.path) ? columnsProblem(historyFrom.columns, record.conditions) : undefined,
  },
  {
    keys: ['training.labels.topic', 'source.kind', 'source.kafka.topic'],
    problem({ training: { labels }, source }) {
      if (labels.topic === '') return undefined;
      if (source.kind !== 'kafka') return 'needs a kafka source: the topic is read from its brokers';
      return labels.topic === source.kafka.topic ? 'must not be the topic of the records' : undefined;
    },
  },
  {
    keys: ['training.minRecords', 'training.maxRecords'],
    problem: ({ training }) =>
      training.minRecords <= training.maxRecords
        ? undefined
        : `must not be above training.maxRecords (got ${training.minRecords}, ${training.maxRecords})`,
  },
];
