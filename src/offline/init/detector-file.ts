/** Writes the file of a proposed detector: commented YAML, with uncertain values marked. */
import { formatDuration } from '../../schema/durations';
import { commented, doubtMark, marked, renderYaml } from './commented-yaml';
import type { Proposal } from './inference/infer';
import { nameOf, pathText, type Column } from './inference/sample';
import { channelNames, eventSilence, usualLength, windowLength, windowTtl } from './inference/window';
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
import { count, durationText, iso, percent } from '../wording';

export interface DetectorFile {
  name: string;
  origin: SampleOrigin;
  recorded: RecordedSample;
  proposal: Proposal;
  /** Number of records at the beginning of a file that are history. */
  historyRecords: number;
  target: Target;
  /** Lines about the alarms that each target would have raised. */
  priceLines: readonly string[];
}

/** Share of the records, from the oldest on, that the first model is trained on. */
export const historyShare = 0.7;

/** A limit of alarms: a false-alarm target and an alarm budget. */
export interface Target {
  falseAlarmTarget: string;
  budget: string;
}

/** The target of the preset `sensor`. */
export const usualTarget: Target = { falseAlarmTarget: '0.005', budget: '1 per day' };

/** The target as written in the file: a share is a number, a rate is text. */
export const targetValue = ({ falseAlarmTarget: target }: Target): number | string =>
  /^[\d.]+$/.test(target) ? Number(target) : target;

const untimedNote = 'No times: the records are taken to be a second apart.';
const usualLatentDim = 8;
/** Number of devices from which the file raises the limit of windows. */
const manyDevices = 5000;

export function renderDetector(file: DetectorFile): string {
  const { name, origin, recorded, proposal, target, priceLines } = file;
  const silenceMs = eventSilence(proposal);
  const document = {
    detector: commented(name, headOf(file)),
    preset: commented('sensor', ['Defaults for sensor records, measured in docs/quality.md.']),
    source: sourceSection(file),
    // Records of Prometheus have the default fields, so the section is left out.
    fields: recorded.series === undefined ? fieldsSection(file) : undefined,
    record: recordSection(file),
    window: windowSection(file),
    model: modelSection(proposal),
    calibration: {
      falseAlarmTarget: commented(targetValue(target), [
        'Share of normal records, or a rate such as `2 per day`.',
        ...priceLines,
      ]),
    },
    events: {
      budget: commented(target.budget, ['The detector raises no more alarms than these, whatever happens.']),
      silence: commented(silenceMs && formatDuration(silenceMs), [
        'An event also ends when its device is silent for this long.',
      ]),
    },
    sinks: origin.kind === 'kafka' ? sinksSection(origin, recorded.missingTopics ?? []) : undefined,
  };
  return renderYaml(document, doubtsOf(file));
}

/** What a person should check, by the key that the file has: a CSV file names its columns in the section of the source. */
export function doubtsOf({
  recorded,
  proposal,
}: Pick<DetectorFile, 'recorded' | 'proposal'>): Proposal['doubts'] {
  if (recorded.format.kind !== 'csv') return proposal.doubts;
  return Object.fromEntries(
    Object.entries(proposal.doubts).map(([key, texts]) => [
      key === 'fields.key' ? 'source.file.columns.key' : key,
      texts,
    ]),
  );
}

function headOf({ origin, proposal: { records, cadence, device } }: DetectorFile): string[] {
  const span = Number.isNaN(cadence.from) ? '' : `, ${iso(cadence.from)} to ${iso(cadence.to)}`;
  const interval = Number.isNaN(cadence.intervalMs)
    ? ''
    : `, a record every ${durationText(cadence.intervalMs)}`;
  return [
    `Proposed by \`vaemon init\` from ${count(records, 'record')} of ${titleOf(origin)}${span}:`,
    `${count(device.devices, 'device')}${interval}.`,
    `Lines with ${doubtMark.trim()} are guesses. docs/configuration.md has every key; \`vaemon config check\` checks this file.`,
  ];
}

function sourceSection(file: DetectorFile): object {
  const { origin, recorded } = file;
  switch (origin.kind) {
    case 'file':
      return { kind: 'file', file: fileSection(file, origin) };
    case 'kafka':
      return {
        kind: 'kafka',
        kafka: { ...kafkaSection(origin), topic: commented(origin.topic, marked(recorded.notes)) },
      };
    case 'prometheus':
      return { kind: 'prometheus', prometheus: seriesSection(file, origin, recorded.series!) };
  }
}

function seriesSection(
  { proposal }: DetectorFile,
  { url, queries, connection }: PrometheusOrigin,
  { stepMs, keyLabels, channelLabel, doubts, stepDoubts }: SeriesChoice,
): object {
  const conditions = conditionNames(proposal);
  const used = [...channelNames(proposal), ...conditions];
  // If a label contains the channels, one query can return several channels.
  const kept = channelLabel === '' ? queries.filter(({ name }) => used.includes(name)) : queries;
  const chosen = {
    step: commented(formatDuration(stepMs), ['Time between two records of a device.', ...marked(stepDoubts)]),
    keyLabels: commented([...keyLabels], ['Labels that name a device.', ...marked(doubts)]),
    channelLabel: channelLabel === '' ? undefined : channelLabel,
    conditions: conditions.length === 0 ? undefined : conditions,
  };
  const others = Object.entries(connection).filter(([key]) => !(key in chosen));
  return {
    url,
    queries: Object.fromEntries(kept.map(({ name, text }) => [name, text])),
    ...chosen,
    ...withConnection({}, Object.fromEntries(others)),
  };
}

/** Names of the conditions that are fields. */
export const conditionNames = ({ conditions }: Proposal): string[] => conditions.map(nameOf);

function fileSection({ recorded, proposal, historyRecords }: DetectorFile, { path }: FileOrigin): object {
  const { time, device } = proposal;
  const timestamp = time.field === undefined ? commented('', [untimedNote]) : nameOf(time.field.column);
  const ofCsv = {
    key:
      device.column === undefined
        ? commented('', ['One device, called after the file.'])
        : nameOf(device.column),
    timestamp,
    conditions: listOrNone(conditionNames(proposal)),
  };
  const ofObjects = time.field === undefined ? { timestamp } : {};
  return {
    path,
    historyRecords: commented(historyRecords, [
      'The first model is trained on these records at the beginning of the file; those after them are scored.',
    ]),
    columns: recorded.format.kind === 'csv' ? ofCsv : ofObjects,
  };
}

const listOrNone = <T>(list: readonly T[]): T[] | undefined => (list.length === 0 ? undefined : [...list]);

/** A Kafka source needs a topic for rejected records. */
function sinksSection({ topic }: TopicOrigin, missing: readonly string[]): object {
  const kafka = {
    enabled: true,
    detectionsTopic: detectionsTopic(topic),
    deadLetterTopic: deadLetterTopic(topic),
  };
  const create = `\`vaemon doctor\` with --create-topics creates ${missing.join(' and ')}; or name others`;
  return commented({ kafka }, [
    'Topics of detections and events, and of rejected records with their reason.',
    ...marked(missing.length === 0 ? [] : [create]),
  ]);
}

/** Paths within a record, which CSV files do not need, and the format of its times. */
function fieldsSection({ proposal, recorded: { format } }: DetectorFile): object {
  const { time, device, valuesPath, conditionsPath, conditions } = proposal;
  const { format: timestampFormat = 'auto', timeZone = '' } = time.field ?? {};
  const pathOf = (column: Column | undefined): string => (column === undefined ? '' : pathText(column.path));
  const paths = {
    key: pathOf(device.column),
    timestamp: pathOf(time.field?.column),
    values: pathText(valuesPath),
    conditions: conditions.length === 0 ? undefined : pathText(conditionsPath),
  };
  return {
    ...(format.kind === 'csv' ? {} : paths),
    timestampFormat: timestampFormat === 'auto' ? undefined : timestampFormat,
    timeZone: timeZone === '' ? undefined : timeZone,
  };
}

function recordSection({ proposal, recorded: { format } }: DetectorFile): object {
  const { conditions, cadence, time } = proposal;
  const isRegistered = format.kind === 'avro' || format.kind === 'json-schema';
  const hasOthers = format.kind !== 'csv' || proposal.unused.length > 0;
  const condition = { kind: 'category', missing: 'unknown' };
  return {
    format: isRegistered ? format.kind : undefined,
    channels: commented(channelNames(proposal), aboutChannels(proposal)),
    missingChannels: commented('mask', [aboutMissing(proposal)]),
    texts: proposal.numbersAreText ? 'numbers' : undefined,
    missingTexts: listOrNone(proposal.missingTexts),
    extraChannels: hasOthers ? 'ignore' : undefined,
    duplicates: commented(cadence.duplicates > 0 ? 'ignore' : undefined, [
      `${count(cadence.duplicates, 'record')} of the sample repeat a time of their device.`,
    ]),
    outOfOrder: commented(cadence.outOfOrder > 0 ? 'ignore' : undefined, [
      `${count(cadence.outOfOrder, 'record')} of the sample come late.`,
    ]),
    conditions: commented(Object.fromEntries(conditions.map((column) => [nameOf(column), condition])), [
      'Normal values depend on these.',
    ]),
    seasons:
      time.field === undefined
        ? commented('off', ['Without times there are no hours and weekdays.'])
        : commented('auto', [
            'The hour of the day and the day of the week become conditions where the history has such a rhythm.',
          ]),
  };
}

function aboutChannels({ counters, constant, unused }: Proposal): string[] {
  const unusedText = unused.map(({ field, reason }) => `${field} (${reason})`).join(', ');
  return [
    ...(counters.length > 0 ? [`Counters, scored by their rate: ${counters.join(', ')}.`] : []),
    ...(constant.length > 0 ? [`The same in the whole sample: ${constant.join(', ')}.`] : []),
    ...(unused.length > 0 ? [`Not used: ${unusedText}.`] : []),
  ];
}

function aboutMissing({ incomplete, records }: Proposal): string {
  const absent = Object.entries(incomplete).map(([name, n]) => `${name} in ${percent(n / records)}`);
  if (absent.length === 0) return 'A channel without a value does not make a record useless.';
  return `Without a value: ${absent.slice(0, 12).join(', ')}${absent.length > 12 ? ', …' : ''}.`;
}

function windowSection({ proposal, recorded: { isMore, series } }: DetectorFile): object {
  const { cadence, device } = proposal;
  const length = windowLength(proposal);
  const isShort = length < usualLength;
  const isTimed = !Number.isNaN(cadence.intervalMs);
  const aboutShort = [
    `The devices have few records in the sample: ${cadence.recordsPerDevice} in the median.`,
    ...marked(isMore ? ['a larger --sample may allow longer windows'] : []),
  ];
  return {
    length: commented(length, [
      ...(isTimed ? [`About ${durationText(length * cadence.intervalMs)}.`] : []),
      ...(isShort ? aboutShort : []),
    ]),
    ttl: commented(isTimed ? formatDuration(windowTtl(proposal)) : undefined, [
      `Pauses of up to ${durationText(cadence.usualPauseMs)} are usual. After this one a device starts a new window.`,
    ]),
    interval: commented(series && formatDuration(series.stepMs), ['The step, so that gaps are seen.']),
    gaps: commented(series && 'fill', ['Absent records have missing values.']),
    padding: commented(isShort ? 'missing' : undefined, ['Scores from the first record of a device on.']),
    maxKeys: commented(device.devices > manyDevices ? 2 * device.devices : undefined, [
      'Devices whose windows are kept, per partition.',
    ]),
  };
}

/** The default code is too large for windows of few numbers. */
function modelSection(proposal: Proposal): object | undefined {
  const numbers = channelNames(proposal).length * windowLength(proposal);
  if (numbers > usualLatentDim) return undefined;
  return { latentDim: commented(Math.ceil((numbers - 1) / 2), [`A window has ${numbers} numbers.`]) };
}
