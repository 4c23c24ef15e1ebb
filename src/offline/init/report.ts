/** Texts that `vaemon init` prints. */
import { printable } from '../../system/printable';
import { formatTable } from '../table';
import { doubtMark } from './commented-yaml';
import { doubtsOf } from './detector-file';
import type { Proposal } from './inference/infer';
import { nameOf, pathText, type Column } from './inference/sample';
import { channelNames } from './inference/window';
import type { DecodedSample, Price, Prices, UnknownPrices } from './prices';
import { titleOf, type SampleOrigin } from './origin';
import type { RecordedSample, SampleFormat, SeriesChoice } from './recorded-sample';
import { count, durationText, iso, percent } from '../wording';

/** Describes the contents of the sample. */
export function describeProposal(origin: SampleOrigin, recorded: RecordedSample, proposal: Proposal): string {
  const { format, isMore, notes, series } = recorded;
  const { time, device, conditions, counters, cadence, unused, valuesPath, conditionsPath } = proposal;
  const lines: (readonly [string, string])[] = [
    [
      'records',
      `${count(proposal.records, 'record')}${isMore ? `, ${partText[origin.kind]}` : ''}, ${formatText(format)}`,
    ],
    [
      'time',
      time.field === undefined
        ? 'none'
        : `${fieldText(time.field.column, 'the time of the message')}, ${iso(cadence.from)} to ${iso(cadence.to)}`,
    ],
    [
      'device',
      `${series === undefined ? fieldOfDevice(device) : labelsText(series)}, ${count(device.devices, 'device')}`,
    ],
    [
      'channels',
      `${count(channelNames(proposal).length, 'channel')}${within(valuesPath)}: ${channelNames(proposal).join(', ')}`,
    ],
    ...(counters.length === 0 ? [] : [['counters', counters.join(', ')] as const]),
    [
      'conditions',
      conditions.length === 0 ? 'none' : `${conditions.map(nameOf).join(', ')}${within(conditionsPath)}`,
    ],
    [
      'cadence',
      Number.isNaN(cadence.intervalMs)
        ? 'unknown'
        : `a record every ${durationText(cadence.intervalMs)}${cadence.isRegular ? '' : ', irregularly'}`,
    ],
    ...(unused.length === 0
      ? []
      : [['not used', unused.map(({ field, reason }) => `${field} (${reason})`).join(', ')] as const]),
    ...(proposal.omittedFields === 0
      ? []
      : [['not read', count(proposal.omittedFields, 'further field')] as const]),
    ...notes.map((note) => ['check', note] as const),
    ...Object.entries(doubtsOf({ recorded, proposal })).flatMap(([key, texts]) =>
      texts.map((text) => ['check', `${key}: ${text}`] as const),
    ),
  ];
  return renderFacts(titleOf(origin), lines);
}

/** A title, and one line per fact with its name. */
export function renderFacts(
  title: string,
  facts: readonly (readonly [name: string, text: string])[],
): string {
  const lines = facts.map(([name, text]) => `  ${name.padEnd(11)}${printable(text)}\n`);
  return `${printable(title)}\n${lines.join('')}`;
}

const partText: Readonly<Record<SampleOrigin['kind'], string>> = {
  file: 'the first of the file',
  kafka: 'from several times of the topic',
  prometheus: 'from several times of its history',
};

const fieldOfDevice = ({ column }: Proposal['device']): string =>
  column === undefined ? 'none named' : fieldText(column, 'the key of the message');

const labelsText = ({ keyLabels }: SeriesChoice): string =>
  keyLabels.length === 0 ? 'no label' : `label ${keyLabels.join(' and ')}`;

/** With a larger share of anomalous records, the older part of the sample does not describe the newer one. */
const maxAnomalous = 0.1;

/** For a shorter time, a rate per day would be meaningless, ms. */
const minRatedMs = 600_000;

function formatText({ kind, separator }: SampleFormat): string {
  if (kind === 'csv') return `CSV with ${JSON.stringify(separator)}`;
  if (kind === 'series') return 'series of queries';
  return kind === 'json' ? 'JSON objects' : `${kind} with a registry`;
}

const fieldText = ({ path }: Column, ofMessage: string): string =>
  path.length === 0 ? ofMessage : pathText(path);

const within = (path: readonly string[]): string => (path.length === 0 ? '' : ` in ${pathText(path)}`);

/** Describes rejected records and estimated alarms. */
export function describePrices({ rejected: reasons }: DecodedSample, prices: Prices | UnknownPrices): string {
  const rejected = Object.entries(reasons).map(
    ([reason, { records, example }]) =>
      `  rejected   ${count(records, 'record')} as ${reason}: ${printable(example)}\n`,
  );
  return `${rejected.join('')}\n${priceLines(prices).join('\n')}\n`;
}

/** Lines about the alarms that each target would have raised, or about the reason why they are unknown. */
export function priceLines(found: Prices | UnknownPrices): string[] {
  if ('problem' in found) return [`Alarms could not be estimated: ${found.problem}.`];
  const { trainedRecords, heldOutRecords, heldOutMs, seconds, seasons, prices } = found;
  const isTimed = !Number.isNaN(heldOutMs);
  const next = `${heldOutRecords.toLocaleString('en')}${isTimed ? `, ${durationText(heldOutMs)}` : ''}`;
  const seasonal = seasons.length === 0 ? '' : ` The sample has a rhythm: ${seasons.join(', ')}.`;
  return [
    `A model trained on ${count(trainedRecords, 'record')} in ${Math.round(seconds)} s would have given in the next ${next}:`,
    ...formatTable(
      ['target', 'budget', 'anomalous', 'alarms', isTimed ? 'a day' : 'per 1,000'],
      prices.map((price, i) => [
        `${i + 1}. ${price.falseAlarmTarget}`,
        price.budget,
        ...cellsOf(price, heldOutMs),
      ]),
    ).map((line) => `  ${line}`),
    `Real faults in these records count, too.${seasonal}`,
    ...unlike(prices),
  ];
}

/** A warning if one alarm lasts for most of the time. */
function unlike([usual]: readonly Price[]): string[] {
  if (usual === undefined || !(usual.anomalousShare > maxAnomalous)) return [];
  return [
    `${doubtMark}${percent(usual.anomalousShare)} of the newer records are unlike the older ones, so an alarm lasts long: something has changed, or the sample is too short.`,
  ];
}

function cellsOf(price: Price, heldOutMs: number): string[] {
  const { threshold, anomalousShare, alarms, alarmsPerDay, alarmsPer1000Records } = price;
  if (threshold === undefined) return ['sample too short', '', ''];
  const rate = rateOf(alarms, alarmsPerDay, alarmsPer1000Records, heldOutMs);
  return [anomalousShare === 0 ? '0 %' : percent(anomalousShare), String(alarms), rate];
}

function rateOf(alarms: number, perDay: number, per1000Records: number, heldOutMs: number): string {
  if (Number.isNaN(heldOutMs)) return short(per1000Records);
  if (heldOutMs < minRatedMs) return '–';
  return alarms > 0 ? short(perDay) : `below ${short(rateWithoutEvents(heldOutMs))}`;
}

/** Upper bound of the rate per day, with 95 % confidence, if there was no event in this time. */
function rateWithoutEvents(ms: number): number {
  return (3 * 86_400_000) / ms;
}

const short = (value: number): string =>
  value >= 10 ? Math.round(value).toLocaleString('en') : value.toPrecision(2);
