/**
 * Combines series of several queries into records: at each evaluation time, one record per device with a value per channel.
 */
import { DecodeError } from '../../errors';
import type { Message } from '../source';
import type { Series, StepRange } from './client';

export interface SeriesRules {
  /** Labels whose values are the key; empty = one device. */
  keyLabels: readonly string[];
  /** Label that contains the channel of a series. If it is absent or empty, the name of the query is the channel. */
  channelLabel: string;
  /** Names of conditions; each is the result of a query with this name, or else a label. */
  conditions: readonly string[];
}

export interface QueryResult {
  name: string;
  series: readonly Series[];
}

/** The records of one evaluation time. */
export interface Step {
  /** Unix ms. */
  time: number;
  /** Number of records. */
  count: number;
  /** The records in the order of their keys, encoded on demand. */
  records(): StepRecord[];
}

export interface StepRecord {
  key: string;
  /** JSON with `key`, `timestamp`, `values` and `conditions`. */
  value: Buffer;
  problem: DecodeError | undefined;
}

/** Origin of all records, and the name of their state. */
export const prometheusTopic = 'prometheus';

/** Key for series without key labels. */
const onlyKey = 'all';

interface Draft {
  values: Record<string, number | null>;
  conditions: Record<string, number | string | null>;
  problem: DecodeError | undefined;
}

/** All steps of the range, those without records included. */
export function toSteps(results: readonly QueryResult[], range: StepRange, rules: SeriesRules): Step[] {
  const { from, to, step } = range;
  const drafts = Array.from({ length: Math.floor((to - from) / step) + 1 }, () => new Map<string, Draft>());
  for (const { name, series } of results)
    for (const one of series) addSeries(name, one, drafts, range, rules);
  return drafts.map((byKey, i) => {
    const time = from + i * step;
    return {
      time,
      count: byKey.size,
      records: () => [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map((entry) => finish(time, entry)),
    };
  });
}

function addSeries(
  query: string,
  { labels, samples }: Series,
  drafts: readonly Map<string, Draft>[],
  { from, step }: StepRange,
  { keyLabels, channelLabel, conditions }: SeriesRules,
): void {
  const isCondition = conditions.includes(query);
  const channel = (channelLabel !== '' && !isCondition && labels[channelLabel]) || query;
  const key = keyOf(labels, keyLabels);
  const given = conditions.filter((name) => labels[name] !== undefined);
  for (const [time, text] of samples) {
    const byKey = drafts[(time - from) / step]!;
    let draft = byKey.get(key);
    if (draft === undefined) byKey.set(key, (draft = createDraft()));
    if (key === '')
      draft.problem ??= new DecodeError(
        'missing_key',
        `a series of query "${query}" has none of source.prometheus.keyLabels (${keyLabels.join(', ')}): ${show(labels)}`,
      );
    const into = isCondition ? draft.conditions : draft.values;
    if (into[channel] !== undefined)
      draft.problem ??= new DecodeError(
        'ambiguous_series',
        `query "${query}" has several series for channel "${channel}" of one key, such as ${show(labels)}`,
      );
    const value = numberOf(text);
    if (Math.abs(value) === Infinity)
      draft.problem ??= new DecodeError('out_of_range', `channel "${channel}": ${text} is not finite`);
    into[channel] = Number.isFinite(value) ? value : null;
    for (const name of given) draft.conditions[name] ??= labels[name]!;
  }
}

function createDraft(): Draft {
  // The object has no prototype, so that any name can be a property.
  return {
    values: Object.create(null) as Draft['values'],
    conditions: Object.create(null) as Draft['conditions'],
    problem: undefined,
  };
}

/** Several values are joined by `/`. A `/` within a value is escaped, so that different devices have different keys. */
function keyOf(labels: Series['labels'], keyLabels: readonly string[]): string {
  if (keyLabels.length === 0) return onlyKey;
  const values = keyLabels.map((label) => labels[label] ?? '');
  if (values.length === 1) return values[0]!;
  if (values.every((value) => value === '')) return '';
  return values.map((value) => value.replace(/[\\/]/g, '\\$&')).join('/');
}

/** NaN if the text is not a finite number. */
function numberOf(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

function show(labels: Series['labels']): string {
  const text = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${text.join(', ')}}`.slice(0, 200);
}

function finish(time: number, [key, { values, conditions, problem }]: [string, Draft]): StepRecord {
  const record = { key, timestamp: new Date(time).toISOString(), values, conditions };
  return { key, value: Buffer.from(JSON.stringify(record)), problem };
}

/** The offset of a record is its evaluation time, which all records of a step share. */
export function toMessages(step: Step, warmUp: boolean): Message[] {
  const { time } = step;
  const origin = { topic: prometheusTopic, partition: 0, offset: String(time) };
  return step.records().map(({ key, value, problem }) => ({
    key: Buffer.from(key),
    value,
    timestamp: time,
    origin,
    warmUp,
    ...(problem && { problem }),
  }));
}
