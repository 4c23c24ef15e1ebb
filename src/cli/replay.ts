/** `vaemon replay`: derives recorded detections again and compares them, or counts alarms under other settings. */
import { InvalidArgumentError } from 'commander';
import { detectorSchema } from '../config/detector';
import type { DetectorSettings } from '../config/settings';
import { readDetections, readRecords } from '../offline/replay/recorded';
import { replay, type WhatIf } from '../offline/replay/replay';
import { formatReplay } from '../offline/replay/report';
import { openEngines } from '../runtime/engines';
import { createModelStore } from '../store/model-store';
import { exitCodes, type Register } from './context';
import { openDetector } from './detector';
import { collect, detectorCommand, jsonText, parseTime, wholeFrom, type DetectorOptions } from './options';

interface Options extends DetectorOptions {
  from?: number;
  to?: number;
  offset: Place[];
  lead?: number;
  maxRecords: number;
  whatIf: Record<string, string>;
}

interface Place {
  topic: string;
  partition: number;
  offset: bigint;
}

function parsePlace(text: string, before: Place[]): Place[] {
  const { topic, partition, offset } =
    /^(?<topic>.+):(?<partition>\d+):(?<offset>\d+)$/.exec(text)?.groups ?? {};
  if (topic === undefined || offset === undefined)
    throw new InvalidArgumentError('Expected topic:partition:offset.');
  return [...before, { topic, partition: Number(partition), offset: BigInt(offset) }];
}

function parseWhatIf(text: string, before: Record<string, string>): Record<string, string> {
  const next = collect(text, before);
  const unknown = Object.keys(next).find((key) => key !== 'target' && key !== 'version');
  if (unknown !== undefined)
    throw new InvalidArgumentError(`Expected target=… or version=…, not ${unknown}.`);
  return next;
}

export const register: Register = (program, context) => {
  detectorCommand(
    program,
    'replay',
    'derive recorded detections again and compare them; or count alarms under other settings',
  )
    .option('--from <time>', 'records whose messages have this time or a later one', parseTime)
    .option('--to <time>', '… and a time before this one (default: now)', parseTime)
    .option('--offset <topic:partition:offset>', 'only this record; repeatable', parsePlace, [])
    .option(
      '--lead <n>',
      'messages per partition before the records, to fill windows (default: warmUpRecords)',
      wholeFrom(0),
    )
    .option('--max-records <n>', 'maximum number of records', wholeFrom(0), 200_000)
    .option(
      '--what-if <target=…|version=…>',
      'count the alarms with this false-alarm target, or this model version; repeatable',
      parseWhatIf,
      {},
    )
    .option('--json', 'print the report as JSON')
    .action(async (path: string, options: Options) => {
      const { settings, detector, log } = await openDetector(path, options, context);
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
      context.stdout.write(options.json === true ? jsonText(report) : formatReplay(detector, report));
      if (report.different + report.withoutVersion + report.unrecorded > 0)
        context.setExitCode(exitCodes.failure);
    });
};

/** @throws Error that names the missing setting or option */
function checkSource({ detector, source, sinks }: DetectorSettings, { from, to, offset }: Options): void {
  if (source.kind !== 'kafka')
    throw new Error(`detector "${detector}" reads a file: only records from Kafka can be replayed`);
  if (!sinks.kafka.enabled)
    throw new Error(
      `detector "${detector}" writes no detections (sinks.kafka.enabled): there is nothing to compare`,
    );
  if (from !== undefined && to !== undefined && from >= to)
    throw new Error('--from must be before --to: no record lies between them');
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
