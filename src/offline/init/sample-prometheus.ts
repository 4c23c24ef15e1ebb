/**
 * Reads a sample of bounded size from the results of queries: the roles of labels, the interval of values, and past records.
 */
import { stringify } from 'yaml';
import { sourceOf, type DetectorSettings } from '../../config/settings';
import type { Message } from '../../sources/source';
import {
  createPrometheusClient,
  type NamedQuery,
  type QueryRange,
  type Series,
  type StepRange,
} from '../../sources/prometheus/client';
import { createPrometheusHistory } from '../../sources/prometheus/history';
import { stepAtOrAfter, stepAtOrBefore } from '../../sources/prometheus/reader';
import { runConcurrently } from '../../system/concurrency';
import { isObject, type JsonObject } from '../../system/json';
import { assignLabels } from './inference/labels';
import { createSampleBuilder } from './inference/sample';
import { selectorsOf } from './inference/selectors';
import { UnusableSampleError } from './inference/unusable';
import { loadText } from './load-text';
import { withConnection, type PrometheusOrigin } from './origin';
import type { RecordedSample, SeriesChoice } from './recorded-sample';
import { durationText } from '../wording';

type Settings = Extract<DetectorSettings['source'], { kind: 'prometheus' }>['prometheus'];

const minuteMs = 60_000;
const hourMs = 3_600_000;
/** Maximum number of concurrent requests. */
const concurrency = 4;
/** Number of stretches of the past in the sample, if it does not contain everything. */
const usualBlocks = 20;
/** Spans of time in which the first value is searched, the shortest first. */
const spansMs = [hourMs, 6 * hourMs, 24 * hourMs, 7 * 24 * hourMs, 30 * 24 * hourMs];
/** Number of evaluation times per span. */
const spanPoints = 60;
/** Common steps of queries, ms. */
const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600].map((s) => s * 1000);

/**
 * Each query is sent once and not repeated after an error, as a person waits.
 * @throws Error of the client, with the setting to change; UnusableSampleError if the series cannot be combined into records
 */
export async function samplePrometheus(
  origin: PrometheusOrigin,
  {
    maxRecords,
    env,
    now,
  }: { maxRecords: number; env: Readonly<Record<string, string | undefined>>; now: () => number },
): Promise<RecordedSample> {
  const settings = await probeSettings(origin, env);
  const queryRange = createPrometheusClient(settings);
  const newest = now() - settings.delayMs;

  const recent = await readSeries(queryRange, origin.queries, lookBack(newest, hourMs, 12));
  const empty = recent.results.filter(({ series }) => series.length === 0).map(({ name }) => `"${name}"`);
  if (empty.length > 0)
    throw new UnusableSampleError(
      `no series in the last hour of ${empty.length === 1 ? 'query' : 'queries'} ${empty.join(', ')}: try ${empty.length === 1 ? 'it' : 'them'} at ${origin.url}`,
    );
  const labels = assignLabels(
    recent.results.map(({ name, series }) => ({
      name,
      series: series.map((one) => ({ labels: one.labels, times: one.samples.map(([time]) => time) })),
    })),
    {
      keyLabels: 'keyLabels' in origin.connection ? settings.keyLabels : undefined,
      channelLabel: 'channelLabel' in origin.connection ? settings.channelLabel : undefined,
    },
  );
  const step =
    'step' in origin.connection
      ? { stepMs: settings.stepMs, stepDoubts: [] }
      : await findStep(queryRange, origin.queries, newest);
  const series: SeriesChoice = {
    ...labels,
    conditions: 'conditions' in origin.connection ? settings.conditions : labels.conditions,
    ...step,
  };

  const from = await findFirst(queryRange, origin.queries, newest);
  const { messages, share } = await readPast({ ...settings, ...series }, queryRange, {
    from,
    to: now(),
    maxRecords,
  });
  const problems = messages.flatMap(({ message: { problem } }) => (problem === undefined ? [] : [problem]));
  if (2 * problems.length > messages.length)
    throw new UnusableSampleError(
      `${problems.length} of ${messages.length} records would be rejected: ${problems[0]!.message}`,
    );
  const builder = createSampleBuilder();
  for (const { message, block } of messages)
    builder.add(JSON.parse(message.value!.toString()) as object, {
      key: message.key?.toString(),
      timestamp: message.timestamp,
      block,
      partition: 0,
    });
  // Key and time are fields of these records, and there is only one partition.
  const { records, columns, blocks, omittedFields } = builder.build();
  return {
    format: { kind: 'series' },
    sample: { records, columns, omittedFields, ...(blocks && { blocks }) },
    read: messages.length,
    isMore: share < 1,
    share,
    messages: messages.map(({ message }) => message),
    series,
    notes: [
      ...new Set(recent.warnings.map((text) => `Prometheus warns: ${text}`)),
      ...labels.doubts.map((text) => `labels: ${text}`),
      ...series.stepDoubts.map((text) => `step: ${text}`),
    ],
  };
}

/** Settings that suffice to query the server, before the series are known. */
async function probeSettings(
  { url, queries, connection }: PrometheusOrigin,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Settings> {
  const { conditions = '', ...rest } = connection;
  const prometheus = withConnection(
    { url, queries: Object.fromEntries(queries.map(({ name, text }) => [name, text])) },
    rest,
  );
  const document = {
    detector: 'init',
    source: { kind: 'prometheus', prometheus },
    record: { channels: queries.map(({ name }) => name) },
  };
  const settings = sourceOf(await loadText(stringify(document), env), 'prometheus').prometheus;
  const names = conditions.split(',').map((name) => name.trim());
  return { ...settings, conditions: names.filter((name) => name !== '') };
}

function lookBack(to: number, spanMs: number, points: number): StepRange {
  const step = Math.max(1000, Math.round(spanMs / points / 1000) * 1000);
  return { from: stepAtOrAfter(to - spanMs, step), to: stepAtOrBefore(to, step), step };
}

async function readSeries(queryRange: QueryRange, queries: readonly NamedQuery[], range: StepRange) {
  const answers = await runConcurrently(queries, concurrency, (query, failed) =>
    queryRange(query, range, failed),
  );
  return {
    results: queries.map(({ name }, i) => ({ name, series: answers[i]!.series })),
    warnings: answers.flatMap(({ warnings }) => warnings),
  };
}

/** The interval of samples of each query. The largest one is the step, so that no value is repeated. */
async function findStep(
  queryRange: QueryRange,
  queries: readonly NamedQuery[],
  newest: number,
): Promise<Pick<SeriesChoice, 'stepMs' | 'stepDoubts'>> {
  const found = await runConcurrently(queries, concurrency, async ({ name, text }) => {
    const intervals = await Promise.all(
      selectorsOf(text).map((selector) => sampleInterval(queryRange, { name, text: selector }, newest)),
    );
    return { name, intervalMs: Math.max(...intervals.filter((ms) => !Number.isNaN(ms))) };
  });
  const known = found.filter(({ intervalMs }) => intervalMs > 0);
  const unknown = found.filter(({ intervalMs }) => !(intervalMs > 0)).map(({ name }) => `"${name}"`);
  const unknownDoubts =
    unknown.length === 0 ? [] : [`how often ${unknown.join(', ')} has new values could not be found`];
  if (known.length === 0) return { stepMs: 15_000, stepDoubts: unknownDoubts };
  const slowest = Math.max(...known.map(({ intervalMs }) => intervalMs));
  const quickest = known.filter(({ intervalMs }) => intervalMs < 0.75 * slowest);
  return {
    stepMs: steps.find((one) => one >= 0.9 * slowest) ?? steps.at(-1)!,
    stepDoubts: [
      ...unknownDoubts,
      ...(quickest.length === 0
        ? []
        : [
            `the queries have new values at different intervals, and the longest is the step: ${known
              .slice(0, 6)
              .map(({ name, intervalMs }) => `${name} ${durationText(intervalMs)}`)
              .join(', ')}`,
          ]),
    ],
  };
}

/** Evaluation times at which the time of the newest sample is requested, over five minutes and over five hours. */
const intervalRanges = [
  { spanMs: 5 * minuteMs, points: 60 },
  { spanMs: 5 * hourMs, points: 60 },
];

/** Median interval between the samples of a selector's series, ms; NaN if it cannot be determined. */
async function sampleInterval(
  queryRange: QueryRange,
  { name, text }: NamedQuery,
  newest: number,
): Promise<number> {
  for (const { spanMs, points } of intervalRanges) {
    try {
      const query = { name, text: `timestamp(${text})` };
      const { series } = await queryRange(query, lookBack(newest, spanMs, points));
      const gaps = series.flatMap(gapsOf).sort((a, b) => a - b);
      if (gaps.length > 0) return gaps[Math.floor(gaps.length / 2)]!;
    } catch {
      // The selector was parsed wrongly, or has too many series; the query itself may still be right.
      return NaN;
    }
  }
  return NaN;
}

/** Intervals between distinct samples, ms. */
function gapsOf({ samples }: Series): number[] {
  const times = [...new Set(samples.map(([, seconds]) => Math.round(1000 * Number(seconds))))];
  return times.slice(1).map((time, i) => time - times[i]!);
}

/** The first time with values, Unix ms, at most a month ago, with an error of at most a sixtieth of the time since then. */
async function findFirst(
  queryRange: QueryRange,
  queries: readonly NamedQuery[],
  newest: number,
): Promise<number> {
  let first = newest;
  const counts = queries.map(({ name, text }) => ({ name, text: `count(\n${text}\n)` }));
  for (const spanMs of spansMs) {
    const range = lookBack(newest, spanMs, spanPoints);
    const { results } = await readSeries(queryRange, counts, range);
    const times = results.flatMap(({ series }) => series.flatMap(({ samples }) => samples.map(([at]) => at)));
    first = Math.min(first, times.length === 0 ? newest : Math.min(...times) - range.step);
    if (first > range.from) break;
  }
  return first;
}

async function readPast(
  settings: Settings & SeriesChoice,
  queryRange: QueryRange,
  range: { from: number; to: number; maxRecords: number },
): Promise<{ messages: { message: Message; block: string }[]; share: number }> {
  const messages: { message: Message; block: string }[] = [];
  let share = 1;
  const onShare = (read: number): void => {
    share = read;
  };
  const readHistory = createPrometheusHistory(queryRange, settings);
  for await (const chunk of readHistory({ ...range, blocks: usualBlocks, onShare }))
    for (const message of chunk) messages.push({ message, block: chunk.block ?? '' });
  return { messages, share };
}

/** The records of a detector with these queries as conditions. */
export function withConditions(messages: readonly Message[], names: readonly string[]): Message[] {
  return messages.map((message) => {
    const record: unknown = JSON.parse(message.value!.toString());
    if (!isObject(record)) return message;
    const { values, conditions } = record as { values: JsonObject; conditions: JsonObject };
    const isCondition = ([name]: [string, unknown]): boolean => names.includes(name);
    const all = Object.entries(values);
    const changed = {
      ...record,
      values: Object.fromEntries(all.filter((entry) => !isCondition(entry))),
      conditions: { ...conditions, ...Object.fromEntries(all.filter(isCondition)) },
    };
    return { ...message, value: Buffer.from(JSON.stringify(changed)) };
  });
}
