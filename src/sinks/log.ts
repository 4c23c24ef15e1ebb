/**
 * Writes events as log lines for people: one when an event opens and one when it closes, or one at the end of an event that was
 * held back.
 */
import type { AnomalyEvent, EventEnding } from '../domain/event';
import { textValue, type Logger } from '../logger';
import { flag } from '../schema/formats';
import type { Sink } from './sink';
import type { SinkSpec } from './spec';

/** Width of a terminal that a line in text format must fit into. */
const lineColumns = 120;

/** Maximum width of the detector and the key in such a line. */
const nameColumns = 32;

/** Number of repetitions of a value from which a line reports them: rounded values often repeat a few times. */
const noteworthyRepeats = 4;

/** Maximum number of channels in the field `why`; the detections on Kafka contain all of them. */
const namedChannels = 3;

export function createLogSink(log: Pick<Logger, 'warn' | 'info'>): Sink {
  return {
    name: 'log',
    anomaliesOnly: true,
    forPeople: true,
    write({ events }) {
      for (const event of events) {
        if (event.status === 'open') log.warn('event opened', describe(event), formatOpened(event));
        else if (event.status === 'held_back')
          log.info('event held back', describe(event), formatEnded(event));
        else if (event.closedBy === 'accepted')
          log.warn('event accepted as the new normal', describe(event), formatEnded(event));
        else log.info('event closed', describe(event), formatEnded(event));
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

function describe(event: AnomalyEvent): Record<string, unknown> {
  const leftOut = event.nearestNormal?.leftOut ?? [];
  return {
    key: event.key,
    start: new Date(event.start).toISOString(),
    ...(event.kind === 'silent' && { kind: event.kind }),
    ...(event.keys && { devices: event.keys.join(', ') }),
    ...(event.peakFile !== undefined && { file: event.peakFile }),
    ...(event.status !== 'open' && {
      end: new Date(event.end).toISOString(),
      ...(event.kind === 'anomaly' && { records: event.anomalousRecords }),
      closedBy: event.closedBy,
    }),
    surprise: Number(event.peakSurprise.toPrecision(3)),
    seen: describeRarity(event.peakSurprise),
    ...(leftOut.length > 0 && { misfits: leftOut.join(', ') }),
    ...(event.kind === 'anomaly' && { why: describeReasons(event) }),
    modelVersion: event.modelVersion,
  };
}

/** Time, key, actual and expected value, and surprise. The least important parts are left out if the line is too long. */
function formatOpened(event: AnomalyEvent): string {
  const { kind, keys = [], start, openedAt, contributions, limits, peakSurprise } = event;
  if (kind === 'silent')
    return fit([`${timeOf(openedAt)} ${nameOf(event)}${moreDevices(keys)} silent since ${timeOf(start)}`]);
  const [first] = reasonsOf(event);
  const channels = new Set([
    ...limits.map(({ channel }) => channel),
    ...contributions.filter(({ records }) => records > 0).map(({ channel }) => channel),
  ]);
  const others = [...channels].filter((channel) => channel !== first?.channel).length;
  const more = others === 0 ? '' : ` (+${others} ${others === 1 ? 'channel' : 'channels'})`;
  const what =
    first === undefined ? 'anomalous' : `${first.channel} ${first.value}, ${first.remark}${first.unchanged}`;
  const lead = `${timeOf(start)} ${nameOf(event)}${moreDevices(keys)} ${what}`;
  const surprise = `; surprise ${peakSurprise.toFixed(1)}`;
  const rarity = `, ${describeRarity(peakSurprise)}`;
  return fit([lead + more + surprise + rarity, lead + surprise + rarity, lead + more + surprise, lead]);
}

const endings: Record<EventEnding, string> = {
  quiet: '',
  silence: ' by silence',
  end: ' with the last record',
  accepted: ' as the new normal',
  resumed: '',
};

function formatEnded(event: AnomalyEvent): string {
  const { kind, keys = [], status, start, end, anomalousRecords: records, peakSurprise, closedBy } = event;
  const ending = closedBy === undefined ? '' : endings[closedBy];
  const seconds = Number(((end - start) / 1000).toFixed(1)).toLocaleString('en');
  const what =
    status === 'closed' ? `event closed${ending}` : 'event held back, as the alarm budget was spent';
  if (kind === 'silent')
    return fit([`${timeOf(end)} ${nameOf(event)}${moreDevices(keys)} ${what}: silent for ${seconds} s`]);
  const count = `${records.toLocaleString('en')} anomalous ${records === 1 ? 'record' : 'records'}`;
  const lead = `${timeOf(end)} ${nameOf(event)}${moreDevices(keys)} ${what}: ${count} in ${seconds} s`;
  return fit([`${lead}, peak surprise ${peakSurprise.toFixed(1)}`, lead]);
}

function moreDevices(keys: readonly string[]): string {
  const others = keys.length - 1;
  return others < 1 ? '' : ` (+${others} ${others === 1 ? 'device' : 'devices'})`;
}

const timeOf = (at: number): string => new Date(at).toISOString().slice(11, 19);

/** Images of a folder share a key, so the file of an image is its name. */
const nameOf = ({ detector, key, peakFile = key }: AnomalyEvent): string =>
  cut(`${detector}/${textValue(peakFile)}`, nameColumns);

/** The first text that fits into a line; if none fits, the last one is cut. */
function fit(texts: readonly string[]): string {
  return texts.find((text) => text.length <= lineColumns) ?? cut(texts.at(-1)!, lineColumns);
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;
}

/** 10^surprise in words, up to a limit: calibration data never suffices for "once in 10^20". */
export function describeRarity(surprise: number): string {
  if (surprise > 9) return 'once in over a billion normal records';
  return `once in ${Number((10 ** surprise).toPrecision(2)).toLocaleString('en')} normal records`;
}

/** Reasons by channel: violated limits, then the most unusual other channels. */
function reasonsOf({ limits, contributions }: AnomalyEvent) {
  const others = contributions.filter(({ channel }) => !limits.some((one) => one.channel === channel));
  return [
    ...limits.map(({ channel, limit, bound, actual }) => ({
      channel,
      value: formatValue(actual, bound),
      remark: `${limit === 'max' ? 'above' : 'below'} its limit of ${formatValue(bound, actual)}`,
      unchanged: '',
    })),
    ...others.map(({ channel, actual, expected, repeats }) => ({
      channel,
      value: formatValue(actual, expected),
      remark: `expected ${formatValue(expected, actual)}`,
      unchanged: repeats < noteworthyRepeats ? '' : `, unchanged ${repeats + 1} times in a row`,
    })),
  ];
}

function describeReasons(event: AnomalyEvent): string {
  return reasonsOf(event)
    .slice(0, namedChannels)
    .map(({ channel, value, remark, unchanged }) => `${channel} ${value} (${remark})${unchanged}`)
    .join('; ');
}

/** A value with three or four significant digits, or with as many as show how it differs from `other`. */
export function formatValue(value: number, other = NaN): string {
  if (Number.isNaN(value)) return 'missing';
  const magnitude = Math.abs(value);
  const usual = magnitude >= 1000 ? 4 : 3;
  const digits = Math.ceil(Math.log10(magnitude / Math.abs(value - other))) + 1;
  if (magnitude > 0 && Number.isFinite(digits) && digits > usual)
    return value.toLocaleString('en', { maximumSignificantDigits: Math.min(digits, 17) });
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e9)) return value.toExponential(2);
  return Number(value.toPrecision(usual)).toLocaleString('en', { maximumFractionDigits: 6 });
}

const section = { enabled: flag({ doc: 'Log each event when it opens and when it closes.', default: true }) };

export const logSink: SinkSpec<typeof section> = {
  section,
  rules: [],
  create: ({ enabled }, { log }) => Promise.resolve(enabled ? { sink: createLogSink(log) } : undefined),
};
