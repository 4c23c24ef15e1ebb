/** The file of a proposed detector: commented YAML, with what is uncertain marked. */
import { stringify } from 'yaml';
import { formatDuration } from '../../schema/formats';
import { percent, type Proposal } from './inference/infer';
import { nameOf, pathText } from './inference/sample';
import {
  deadLetterTopic,
  detectionsTopic,
  kafkaSection,
  titleOf,
  withConnection,
  type FileOrigin,
  type PrometheusOrigin,
  type SampleOrigin,
  type TopicOrigin,
} from './origin';
import type { RecordedSample, SeriesChoice } from './recorded-sample';

export interface DetectorFile {
  name: string;
  origin: SampleOrigin;
  recorded: RecordedSample;
  proposal: Proposal;
  /** Of a file. */
  historyRecords: number;
  target: Target;
  /** Lines about what each target would have given. */
  priceLines: readonly string[];
}

/** Share of the records, the oldest, on which the first model is trained. */
export const historyShare = 0.7;

/** What alarms are limited by. */
export interface Target {
  falseAlarmTarget: string;
  budget: string;
}

/** That of the preset `sensor`. */
export const usualTarget: Target = { falseAlarmTarget: '0.005', budget: '1 per day' };

/** Marks a line that a person should check. */
export const doubtMark = 'CHECK: ';

/** A key of the file, with the lines of its comment. */
export type Entry = { comment?: readonly string[] } & (
  { key: string; value: unknown } | { key: string; entries: readonly Entry[] }
);

const width = 120;
const untimedNote = 'No times: the records are taken to be a second apart.';
const usualLength = 10;
const usualLatentDim = 8;
const usualTtlMs = 3_600_000;
/** Windows of a device that the sample should hold at least. */
const minWindows = 5;

/** Records of a window: fewer than usual for devices with few records. */
export function windowLength({ cadence, channels, listLength }: Proposal): number {
  // The model needs at least two numbers.
  const least = (listLength ?? channels.length) === 1 ? 2 : 1;
  return Math.max(least, Math.min(usualLength, Math.floor(cadence.recordsPerDevice / minWindows)));
}

/** Silence after which a device starts a new window: a few windows, and longer than usual pauses. ms */
export function windowTtl(proposal: Proposal): number {
  const { intervalMs, usualPauseMs } = proposal.cadence;
  if (Number.isNaN(intervalMs)) return usualTtlMs;
  return roundUp(Math.max(3 * windowLength(proposal) * intervalMs, 2 * usualPauseMs, 60_000));
}

const niceMs = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].map(
  (s) => s * 1000,
);
const dayMs = 86_400_000;

function roundUp(ms: number): number {
  return niceMs.find((one) => one >= ms) ?? Math.ceil(ms / dayMs) * dayMs;
}

/** Names of the channels; those of a list get numbers. */
export function channelNames({ channels, listLength }: Proposal): string[] {
  return listLength === undefined
    ? channels.map(nameOf)
    : Array.from({ length: listLength }, (_, i) => `v${i + 1}`);
}

export function renderDetector(file: DetectorFile): string {
  const { name, origin, recorded, proposal } = file;
  const { records, cadence, device } = proposal;
  const span = Number.isNaN(cadence.from) ? '' : `, ${iso(cadence.from)} to ${iso(cadence.to)}`;
  const head = [
    `Proposed by \`vaemon init\` from ${count(records, 'record')} of ${titleOf(origin)}${span}:`,
    `${count(device.devices, 'device')}${Number.isNaN(cadence.intervalMs) ? '' : `, a record every ${durationText(cadence.intervalMs)}`}.`,
    `Lines with ${doubtMark.trim()} are guesses. docs/configuration.md has every key; \`vaemon config check\` checks this file.`,
  ];
  // The records of Prometheus have the usual fields.
  const fields =
    recorded.series === undefined
      ? [...(recorded.format.kind !== 'csv' ? pathEntries(proposal) : []), ...timeEntries(proposal)]
      : [];
  const entries: Entry[] = [
    { comment: head, key: 'detector', value: name },
    {
      comment: ['Defaults for sensor records, measured in docs/quality.md.'],
      key: 'preset',
      value: 'sensor',
    },
    {
      key: 'source',
      entries: sourceEntries(file),
    },
    ...(fields.length === 0 ? [] : [{ key: 'fields', entries: fields }]),
    { key: 'record', entries: recordEntries(file) },
    { key: 'window', entries: windowEntries(file) },
    ...modelEntries(proposal),
    ...alarmEntries(file),
    ...(origin.kind === 'kafka' ? sinkEntries(origin, recorded.missingTopics ?? []) : []),
  ];
  return renderEntries(entries);
}

/** YAML, with an empty line between the sections. */
export const renderEntries = (entries: readonly Entry[]): string =>
  entries.map((entry) => render(entry, '')).join('\n');

function sourceEntries(file: DetectorFile): Entry[] {
  const { origin, recorded, proposal } = file;
  if (origin.kind === 'file') return fileEntries(file, origin);
  return origin.kind === 'kafka'
    ? topicEntries(origin, [...recorded.notes, ...(proposal.doubts['source.kafka.topic'] ?? [])])
    : seriesEntries(file, origin, recorded.series!);
}

function seriesEntries(
  file: DetectorFile,
  { url, queries, connection }: PrometheusOrigin,
  { stepMs, keyLabels, channelLabel, doubts, stepDoubts }: SeriesChoice,
): Entry[] {
  const conditions = conditionNames(file);
  const used = [...channelNames(file.proposal), ...conditions];
  // With a label for the channels a query can return several of them.
  const kept = channelLabel === '' ? queries.filter(({ name }) => used.includes(name)) : queries;
  const chosen = {
    keyLabels: [...keyLabels],
    ...(channelLabel !== '' && { channelLabel }),
    ...(conditions.length > 0 && { conditions }),
  };
  const others = Object.keys(connection).filter((key) => key !== 'step' && !(key in chosen));
  const section = withConnection({}, Object.fromEntries(others.map((key) => [key, connection[key]!])));
  return [
    { key: 'kind', value: 'prometheus' },
    {
      key: 'prometheus',
      entries: [
        { key: 'url', value: url },
        {
          key: 'queries',
          entries: kept.map(({ name, text }) => ({ key: name, value: text })),
        },
        {
          comment: ['Time between two records of a device.', ...marked(stepDoubts)],
          key: 'step',
          value: formatDuration(stepMs),
        },
        ...Object.entries(chosen).map(([key, value]) => ({
          comment: key === 'keyLabels' ? ['Labels that name a device.', ...marked(doubts)] : [],
          key,
          value,
        })),
        ...Object.entries(section).map(([key, value]) => ({ key, value })),
      ],
    },
  ];
}

/** Names of the conditions that are fields. */
export function conditionNames({ proposal }: Pick<DetectorFile, 'proposal'>): string[] {
  return proposal.conditions.map(nameOf);
}

function fileEntries(
  { recorded: { format }, proposal, historyRecords }: DetectorFile,
  { path }: FileOrigin,
): Entry[] {
  const { time, device, conditions, doubts } = proposal;
  const isCsv = format.kind === 'csv';
  return [
    { key: 'kind', value: 'file' },
    {
      key: 'file',
      entries: [
        { key: 'path', value: path },
        {
          comment: [
            'The first model is trained on these records at the beginning of the file; those after them are scored.',
            ...marked(doubts['source.file.historyRecords']),
          ],
          key: 'historyRecords',
          value: historyRecords,
        },
        ...(!isCsv && time.field === undefined
          ? [{ key: 'columns', entries: [{ comment: [untimedNote], key: 'timestamp', value: '' }] }]
          : []),
        ...(isCsv
          ? [
              {
                key: 'columns',
                entries: [
                  {
                    comment: [
                      ...(device.column === undefined ? ['One device, called after the file.'] : []),
                      ...marked(doubts['fields.key']),
                    ],
                    key: 'key',
                    value: device.column === undefined ? '' : nameOf(device.column),
                  },
                  {
                    comment: time.field === undefined ? [untimedNote] : [],
                    key: 'timestamp',
                    value: time.field === undefined ? '' : nameOf(time.field.column),
                  },
                  ...(conditions.length === 0 ? [] : [{ key: 'conditions', value: conditions.map(nameOf) }]),
                ],
              },
            ]
          : []),
      ],
    },
  ];
}

function topicEntries(origin: TopicOrigin, notes: readonly string[]): Entry[] {
  const section = Object.entries(kafkaSection(origin));
  return [
    { key: 'kind', value: 'kafka' },
    {
      key: 'kafka',
      entries: section.map(([key, value]) => ({ comment: key === 'topic' ? marked(notes) : [], key, value })),
    },
  ];
}

/** A Kafka source needs a place for rejected records. */
function sinkEntries({ topic }: TopicOrigin, missing: readonly string[]): Entry[] {
  return [
    {
      comment: [
        'Topics of detections and events, and of rejected records with their reason.',
        ...(missing.length === 0
          ? []
          : marked([
              `\`vaemon doctor\` with --create-topics creates ${missing.join(' and ')}; or name others`,
            ])),
      ],
      key: 'sinks',
      entries: [
        {
          key: 'kafka',
          entries: [
            { key: 'enabled', value: true },
            { key: 'detectionsTopic', value: detectionsTopic(topic) },
            { key: 'deadLetterTopic', value: deadLetterTopic(topic) },
          ],
        },
      ],
    },
  ];
}

/** How times are read; CSV files have no paths. */
function timeEntries({ time, doubts }: Proposal): Entry[] {
  const { format = 'auto', timeZone = '' } = time.field ?? {};
  return [
    ...(format === 'auto'
      ? []
      : [{ comment: marked(doubts['fields.timestampFormat']), key: 'timestampFormat', value: format }]),
    ...(timeZone === ''
      ? []
      : [{ comment: marked(doubts['fields.timeZone']), key: 'timeZone', value: timeZone }]),
  ];
}

function pathEntries({ time, device, valuesPath, conditionsPath, conditions, doubts }: Proposal): Entry[] {
  return [
    {
      comment: marked(doubts['fields.key']),
      key: 'key',
      value: device.column === undefined ? '' : pathText(device.column.path),
    },
    {
      comment: marked(doubts['fields.timestamp']),
      key: 'timestamp',
      value: time.field === undefined ? '' : pathText(time.field.column.path),
    },
    { key: 'values', value: pathText(valuesPath) },
    ...(conditions.length === 0 ? [] : [{ key: 'conditions', value: pathText(conditionsPath) }]),
  ];
}

function recordEntries({ proposal, recorded: { format } }: DetectorFile): Entry[] {
  const { conditions, counters, constant, incomplete, unused, records, cadence, doubts, time } = proposal;
  const absent = Object.entries(incomplete);
  const unusedText = unused.map(({ field, reason }) => `${field} (${reason})`).join(', ');
  return [
    ...(format.kind === 'avro' || format.kind === 'json-schema'
      ? [{ key: 'format', value: format.kind }]
      : []),
    {
      comment: [
        ...(counters.length > 0 ? [`Counters, scored by their rate: ${counters.join(', ')}.`] : []),
        ...(constant.length > 0 ? [`The same in the whole sample: ${constant.join(', ')}.`] : []),
        ...(unusedText === '' ? [] : [`Not used: ${unusedText}.`]),
        ...marked(doubts['record.channels']),
      ],
      key: 'channels',
      value: channelNames(proposal),
    },
    {
      comment:
        absent.length === 0
          ? ['A channel without a value does not make a record useless.']
          : [
              `Without a value: ${absent
                .slice(0, 12)
                .map(([name, n]) => `${name} in ${percent(n / records)}`)
                .join(', ')}${absent.length > 12 ? ', …' : ''}.`,
            ],
      key: 'missingChannels',
      value: 'mask',
    },
    ...(proposal.numbersAreText
      ? [{ comment: marked(doubts['record.texts']), key: 'texts', value: 'numbers' }]
      : []),
    ...(proposal.missingTexts.length > 0 ? [{ key: 'missingTexts', value: [...proposal.missingTexts] }] : []),
    ...(format.kind === 'csv' && unused.length === 0 ? [] : [{ key: 'extraChannels', value: 'ignore' }]),
    ...(cadence.duplicates === 0
      ? []
      : [
          {
            comment: [`${count(cadence.duplicates, 'record')} of the sample repeat a time of their device.`],
            key: 'duplicates',
            value: 'ignore',
          },
        ]),
    ...(cadence.outOfOrder === 0
      ? []
      : [
          {
            comment: [`${count(cadence.outOfOrder, 'record')} of the sample come late.`],
            key: 'outOfOrder',
            value: 'ignore',
          },
        ]),
    ...(conditions.length === 0
      ? []
      : [
          {
            comment: ['Normal values depend on these.', ...marked(doubts['record.conditions'])],
            key: 'conditions',
            entries: conditions.map((column) => ({
              key: nameOf(column),
              value: { kind: 'category', missing: 'unknown' },
            })),
          },
        ]),
    time.field === undefined
      ? { comment: ['Without times there are no hours and weekdays.'], key: 'seasons', value: 'off' }
      : {
          comment: [
            'The hour of the day and the day of the week become conditions where the history has such a rhythm.',
          ],
          key: 'seasons',
          value: 'auto',
        },
  ];
}

function windowEntries({ proposal, recorded: { isMore, series } }: DetectorFile): Entry[] {
  const { cadence, device, doubts } = proposal;
  const length = windowLength(proposal);
  const ttlMs = windowTtl(proposal);
  const isShort = length < usualLength;
  return [
    {
      comment: [
        ...(Number.isNaN(cadence.intervalMs) ? [] : [`About ${durationText(length * cadence.intervalMs)}.`]),
        ...(isShort
          ? [
              `The devices have few records in the sample: ${cadence.recordsPerDevice} in the median.`,
              ...(isMore ? marked(['a larger --sample may allow longer windows']) : []),
            ]
          : []),
        ...marked(doubts['window']),
      ],
      key: 'length',
      value: length,
    },
    ...(Number.isNaN(cadence.intervalMs)
      ? []
      : [
          {
            comment: [
              `Pauses of up to ${durationText(cadence.usualPauseMs)} are usual. After this one a device starts a new window.`,
            ],
            key: 'ttl',
            value: formatDuration(ttlMs),
          },
        ]),
    ...(series === undefined
      ? []
      : [
          {
            comment: ['The step, so that gaps are seen.'],
            key: 'interval',
            value: formatDuration(series.stepMs),
          },
          { comment: ['Absent records have missing values.'], key: 'gaps', value: 'fill' },
        ]),
    ...(isShort
      ? [{ comment: ['Scores from the first record of a device on.'], key: 'padding', value: 'missing' }]
      : []),
    ...(device.devices > 5000
      ? [
          {
            comment: ['Devices whose windows are kept, per partition.'],
            key: 'maxKeys',
            value: 2 * device.devices,
          },
        ]
      : []),
  ];
}

/** The usual code is too large for windows of few numbers. */
function modelEntries(proposal: Proposal): Entry[] {
  const numbers = channelNames(proposal).length * windowLength(proposal);
  if (numbers > usualLatentDim) return [];
  return [
    {
      key: 'model',
      entries: [
        {
          comment: [`A window has ${numbers} numbers.`],
          key: 'latentDim',
          value: Math.ceil((numbers - 1) / 2),
        },
      ],
    },
  ];
}

function alarmEntries({ target, priceLines, proposal }: DetectorFile): Entry[] {
  const { intervalMs } = proposal.cadence;
  const silenceMs = roundUp(10 * intervalMs);
  return [
    {
      key: 'calibration',
      entries: [
        targetEntry(target, ['Share of normal records, or a rate such as `2 per day`.', ...priceLines]),
      ],
    },
    {
      key: 'events',
      entries: [
        {
          comment: ['The detector raises no more alarms than these, whatever happens.'],
          key: 'budget',
          value: target.budget,
        },
        ...(silenceMs > usualTtlMs
          ? [
              {
                comment: ['An event also ends when its device is silent for this long.'],
                key: 'silence',
                value: formatDuration(silenceMs),
              },
            ]
          : []),
      ],
    },
  ];
}

export const targetEntry = ({ falseAlarmTarget: target }: Target, comment: readonly string[]): Entry => ({
  comment,
  key: 'falseAlarmTarget',
  value: /^[\d.]+$/.test(target) ? Number(target) : target,
});

export const marked = (doubts: readonly string[] | undefined): string[] =>
  (doubts ?? []).map((text) => `${doubtMark}${text}`);

function render(entry: Entry, indent: string): string {
  const comment = (entry.comment ?? [])
    .flatMap((text) => wrap(text, width - indent.length - 2))
    .map((line) => `${indent}# ${line}\n`);
  const head = `${comment.join('')}${indent}${inline(entry.key)}:`;
  if ('entries' in entry) {
    return `${head}\n${entry.entries.map((one) => render(one, `${indent}  `)).join('')}`;
  }
  return `${head}${renderValue(entry.value, indent)}\n`;
}

function renderValue(value: unknown, indent: string): string {
  const flow = inline(value);
  if (!Array.isArray(value) || flow.length + indent.length < 90) return ` ${flow}`;
  return `\n${value.map((item) => `${indent}  - ${inline(item)}`).join('\n')}`;
}

/** In one line, as prettier writes it. */
function inline(value: unknown): string {
  const padded = typeof value === 'object' && !Array.isArray(value);
  const text = stringify(value, {
    collectionStyle: 'flow',
    lineWidth: 0,
    singleQuote: true,
    flowCollectionPadding: padded,
  }).trim();
  // Text with line breaks: JSON is YAML, and has one line.
  return text.includes('\n') ? JSON.stringify(value) : text;
}

/** Text from records must not end a comment. */
function wrap(text: string, most: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replace(/[\p{Cc}\u2028\u2029\u0085]+/gu, ' ').split(/ (?!%)/)) {
    if (line !== '' && line.length + 1 + word.length > most) {
      lines.push(line);
      line = '  ';
    }
    line += line === '' || line === '  ' ? word : ` ${word}`;
  }
  return [...lines, line];
}

export const count = (n: number, noun: string): string =>
  `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

export const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** A duration for people. */
export function durationText(ms: number): string {
  const units: [number, string][] = [
    [dayMs, 'days'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
  ];
  const [size, unit] = units.find(([one]) => ms >= 2 * one) ?? [
    ms >= 1000 ? 1000 : 1,
    ms >= 1000 ? 's' : 'ms',
  ];
  return `${Number((ms / size).toPrecision(3))} ${unit}`;
}
