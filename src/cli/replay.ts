/** `vaemon replay`: derives recorded detections again and compares them, or counts alarms under other settings. */
import { InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/load';
import { detectorSchema } from '../config/detector';
import type { DetectorSettings } from '../config/settings';
import { createLogger } from '../logger';
import { readDetections, readRecords } from '../offline/replay/recorded';
import { replay, type WhatIf } from '../offline/replay/replay';
import { formatReplay } from '../offline/replay/report';
import { openEngines } from '../runtime/engines';
import { createModelStore } from '../store/model-store';
import { exitCodes, type Register } from './context';
import { pickDetector } from './detector';
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
    .description('derive recorded detections again and compare them; or count alarms under other settings')
    .argument('<path>', "a detector's file, or a folder with daemon.yaml and detectors/*.yaml")
    .option('-d, --detector <name>', 'name of the detector, if there are several')
    .option('--from <time>', 'records whose messages have this time or a later one', parseTime)
    .option('--to <time>', '… and a time before this one (default: now)', parseTime)
    .option('--offset <topic:partition:offset>', 'only this record; repeatable', parsePlace, [])
    .option(
      '--lead <n>',
      'messages per partition before the records, to fill windows (default: warmUpRecords)',
      parseCount,
    )
    .option('--max-records <n>', 'maximum number of records', parseCount, 200_000)
    .option(
      '--what-if <target=…|version=…>',
      'count the alarms with this false-alarm target, or this model version; repeatable',
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
      const partitions = await readRecords(detector, { ...options, offsets: options.offset }, log);
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

/** @throws Error that names the missing setting or option */
function checkSource({ detector, source, sinks }: DetectorSettings, { from, offset }: Options): void {
  if (source.kind !== 'kafka')
    throw new Error(`detector "${detector}" reads a file: only records from Kafka can be replayed`);
  if (!sinks.kafka.enabled)
    throw new Error(
      `detector "${detector}" writes no detections (sinks.kafka.enabled): there is nothing to compare`,
    );
  if (from === undefined && offset.length === 0) throw new Error('select records with --from or --offset');
  const other = offset.find(({ topic }) => topic !== source.kafka.topic);
  if (other !== undefined)
    throw new Error(
      `--offset ${other.topic}:${other.partition}:${other.offset}: detector "${detector}" reads ${source.kafka.topic}`,
    );
}

/** @throws Error naming the option and its valid values */
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
