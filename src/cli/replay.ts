/** `vaemon replay`: past verdicts once more, by the versions that made them; and what they would have been otherwise. */
import { InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/load';
import { detectorSchema } from '../config/detector';
import { sourceOf, type DetectorSettings } from '../config/settings';
import { openEngines } from '../runtime/engines';
import { createLogger, type Logger } from '../logger';
import { replay, type RecordedDetection, type ReplayedPartition, type WhatIf } from '../offline/replay';
import { sinkConnection } from '../sinks/kafka/connection';
import { createSourceClient } from '../sources/kafka/client';
import { findRanges, readKafkaRanges } from '../sources/kafka/history';
import type { OffsetRange } from '../sources/kafka/offsets';
import type { Message } from '../sources/source';
import { createModelStore } from '../store/model-store';
import { exitCodes, type Register } from './context';
import { pickDetector } from './detector';
import { formatReplay } from './replay-report';
import { collect, setOption } from './set';

interface Options {
  set: Record<string, string>;
  detector?: string;
  from?: number;
  to?: number;
  offset: Place[];
  lead?: number;
  maxRecords: number;
  whatIf: Record<string, string>;
  json?: boolean;
}

interface Place {
  topic: string;
  partition: number;
  offset: bigint;
}

/** How much earlier than its record a verdict may have been written, by clocks that differ, ms. */
const clockMarginMs = 5 * 60_000;

function parseTime(text: string): number {
  const time = /^\d{10,}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Expected a time: ISO 8601, such as 2026-03-01T12:00:00Z, or Unix ms.');
  return time;
}

function parsePlace(text: string, before: Place[]): Place[] {
  const { topic, partition, offset } =
    /^(?<topic>.+):(?<partition>\d+):(?<offset>\d+)$/.exec(text)?.groups ?? {};
  if (topic === undefined || offset === undefined)
    throw new InvalidArgumentError('Expected topic:partition:offset.');
  return [...before, { topic, partition: Number(partition), offset: BigInt(offset) }];
}

function parseCount(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number.');
}

function parseWhatIf(text: string, before: Record<string, string>): Record<string, string> {
  const next = collect(text, before);
  const unknown = Object.keys(next).find((key) => key !== 'target' && key !== 'version');
  if (unknown !== undefined)
    throw new InvalidArgumentError(`Expected target=… or version=…, not ${unknown}.`);
  return next;
}

export const register: Register = (program, { env, stdout, stderr, setExitCode }) => {
  program
    .command('replay')
    .description(
      'derive past verdicts once more and hold them beside what was said; or see what would have been',
    )
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'which detector, where there are several')
    .option('--from <time>', 'records from this time of their messages on', parseTime)
    .option('--to <time>', '… and before this one (default: now)', parseTime)
    .option('--offset <topic:partition:offset>', 'this record alone; repeatable', parsePlace, [])
    .option(
      '--lead <n>',
      'messages a partition before them that fill windows (default: warmUpRecords)',
      parseCount,
    )
    .option('--max-records <n>', 'more records than this are refused', parseCount, 200_000)
    .option(
      '--what-if <target=…|version=…>',
      'how many alarms it would have been with this false-alarm target, or this version; repeatable',
      parseWhatIf,
      {},
    )
    .option('--json', 'print the report as JSON')
    .addOption(setOption())
    .action(async (path: string, options: Options) => {
      const settings = await loadSettings(path, { env, overrides: options.set });
      const detector = pickDetector(settings, options.detector);
      const log = createLogger({ ...settings.daemon.log, stream: stderr });
      checkSource(detector, options);
      const whatIf = readWhatIf(options.whatIf);
      const store = createModelStore({ directory: settings.daemon.store.path, detector: detector.detector });
      const partitions = await readRecords(detector, options, log);
      const recorded = await readDetections(detector, partitions, log);
      const engines = await openEngines(settings.daemon.engine);
      const report = await replay({
        settings: detector,
        engines,
        readVersion: async (version) => (await store.read(version)).files,
        currentVersion: await store.current(),
        partitions,
        recorded,
        whatIf,
      });
      stdout.write(
        options.json === true ? `${JSON.stringify(report, null, 2)}\n` : formatReplay(detector, report),
      );
      if (report.different + report.withoutVersion + report.unrecorded > 0) setExitCode(exitCodes.failure);
    });
};

/** @throws Error that says what is missing */
function checkSource({ detector, source, sinks }: DetectorSettings, { from, offset }: Options): void {
  if (source.kind !== 'kafka')
    throw new Error(`detector "${detector}" reads a file: only verdicts on records of Kafka can be replayed`);
  if (!sinks.kafka.enabled)
    throw new Error(
      `detector "${detector}" writes no detections (sinks.kafka.enabled): there is nothing to compare with`,
    );
  if (from === undefined && offset.length === 0) throw new Error('say which records: --from, or --offset');
  const strange = offset.find(({ topic }) => topic !== source.kafka.topic);
  if (strange !== undefined)
    throw new Error(
      `--offset ${strange.topic}:${strange.partition}:${strange.offset}: detector "${detector}" reads ${source.kafka.topic}`,
    );
}

/** @throws Error that names the option and what it may be */
function readWhatIf({ target, version }: Record<string, string>): WhatIf | undefined {
  if (target === undefined && version === undefined) return undefined;
  try {
    return {
      target: target === undefined ? undefined : detectorSchema.calibration.falseAlarmTarget.parse(target),
      version,
    };
  } catch (cause) {
    throw new Error(`--what-if target=${String(target)}: ${(cause as Error).message}`, { cause });
  }
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);

/** @throws Error when there are more than may be, or a record is not there any more */
async function readRecords(
  detector: DetectorSettings,
  options: Options,
  log: Logger,
): Promise<ReplayedPartition[]> {
  const { kafka: settings } = sourceOf(detector, 'kafka');
  const { topic, warmUpRecords } = settings;
  const lead = BigInt(options.lead ?? warmUpRecords);
  const kafka = createSourceClient(settings, log, 'replay');
  const all = await findRanges(kafka, topic, { from: undefined, to: undefined });
  const lowOf = (partition: number) => all.find((one) => one.partition === partition)?.start ?? 0n;
  const wanted: OffsetRange[] =
    options.offset.length > 0
      ? options.offset.map(({ partition, offset }) => {
          const bounds = all.find((one) => one.partition === partition);
          if (bounds === undefined || offset < bounds.start || offset >= bounds.end)
            throw new Error(
              `--offset ${topic}:${partition}:${offset}: the topic has ${bounds === undefined ? 'no such partition' : `${bounds.start} to ${bounds.end - 1n} there`}`,
            );
          return { partition, start: offset, end: offset + 1n };
        })
      : (await findRanges(kafka, topic, { from: options.from, to: options.to })).filter(
          ({ start, end }) => end > start,
        );
  const count = wanted.reduce((total, { start, end }) => total + Number(end - start), 0);
  if (count > options.maxRecords)
    throw new Error(
      `these are ${count} records, more than --max-records ${options.maxRecords}: take a shorter time`,
    );

  const partitions: ReplayedPartition[] = [];
  // One after the other: each reading is of one stretch of a partition.
  for (const { partition, start, end } of wanted) {
    const from = max(lowOf(partition), start - lead);
    const messages: Message[] = [];
    const reading = readKafkaRanges(
      {
        kafka,
        settings,
        onUnread: () =>
          log.warn('records could not be read to the end', { topic, partition, end: String(end) }),
      },
      [{ partition, start: from, end }],
    );
    for await (const chunk of reading)
      for (const { key, value, timestamp, origin } of chunk)
        messages.push({ key, value, timestamp, origin, warmUp: BigInt(origin.offset) < start });
    partitions.push({ partition, from, liveFrom: start, messages });
  }
  return partitions;
}

/** What was said of these records, by `partition/offset`. Of what was said twice in the same words once. */
async function readDetections(
  settings: DetectorSettings,
  partitions: readonly ReplayedPartition[],
  log: Logger,
): Promise<Map<string, RecordedDetection[]>> {
  const { sinks, detector } = settings;
  const { topic, groupId } = sourceOf(settings, 'kafka').kafka;
  const wanted = new Set<string>();
  let earliest = Infinity;
  for (const { partition, messages } of partitions) {
    for (const { warmUp, origin, timestamp } of messages) {
      if (warmUp) continue;
      wanted.add(`${partition}/${origin.offset}`);
      earliest = Math.min(earliest, timestamp);
    }
  }
  const recorded = new Map<string, RecordedDetection[]>();
  if (wanted.size === 0) return recorded;
  const kafka = createSourceClient(sinkConnection(sinks.kafka, settings.source), log, 'replay');
  const to = sinks.kafka.detectionsTopic;
  const ranges = await findRanges(kafka, to, { from: Math.max(0, earliest - clockMarginMs), to: undefined });
  const said = new Set<string>();
  const reading = readKafkaRanges(
    {
      kafka,
      settings: { topic: to, groupId },
      onUnread: () => log.warn('detections could not be read to the end', { topic: to }),
    },
    ranges,
  );
  for await (const messages of reading) {
    for (const { value } of messages) {
      const verdict = parseDetection(value);
      if (verdict === undefined || verdict['detector'] !== detector) continue;
      const from = verdict['source'] as
        { topic?: unknown; partition?: unknown; offset?: unknown } | undefined;
      const origin = `${String(from?.partition)}/${String(from?.offset)}`;
      if (from?.topic !== topic || !wanted.has(origin)) continue;
      const text = JSON.stringify([verdict.modelVersion, verdict.surprise, verdict['statistics'], origin]);
      if (said.has(text)) continue;
      said.add(text);
      recorded.set(origin, [...(recorded.get(origin) ?? []), verdict]);
    }
  }
  return recorded;
}

/** Undefined for what is no detection: the topic has events, too, and perhaps what others write. */
function parseDetection(value: Buffer | null): RecordedDetection | undefined {
  if (value === null) return undefined;
  try {
    const verdict = JSON.parse(value.toString()) as Partial<RecordedDetection> | null;
    return typeof verdict?.modelVersion === 'string' && typeof verdict.surprise === 'number'
      ? (verdict as RecordedDetection)
      : undefined;
  } catch {
    return undefined;
  }
}
