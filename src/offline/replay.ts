/**
 * Composition root of a replay: lets past records go the daemon's own way once more, with the model versions that have judged
 * them, and holds what comes of it beside what was said then.
 */
import { alarmThreshold, type FalseAlarmTarget } from '../calibration/threshold';
import { sourceOf, type DetectorSettings } from '../config/settings';
import type { Engines } from '../runtime/engines';
import type { Detection } from '../domain/detection';
import { createEventTracker } from '../domain/event';
import { ModelVersionError } from '../errors';
import { createRecordDecoder } from '../pipeline/record-decoder';
import { settingsFingerprint } from '../config/fingerprint';
import { createOfflinePipeline, createOfflineStates } from './pipeline';
import { decodeBundle } from '../scoring/bundle';
import type { Detector } from '../scoring/detector';
import { encodeDetection } from '../sinks/kafka/messages';
import type { Sink } from '../sinks/sink';
import type { Message } from '../sources/source';
import type { BundleFiles } from '../store/bundle';

/** A verdict as it stands in the topic of detections. */
export type RecordedDetection = Readonly<Record<string, unknown>> & {
  modelVersion: string;
  anomalous: boolean;
  surprise: number;
  baselines?: Readonly<Record<string, number>>;
};

/** The messages of a partition: those before `liveFrom` only fill windows. */
export interface ReplayedPartition {
  partition: number;
  /** First offset that was read. */
  from: bigint;
  liveFrom: bigint;
  messages: readonly Message[];
}

export interface ReplayParts {
  settings: DetectorSettings;
  engines: Engines;
  /** Files of a version. Rejects with a ModelVersionError when there is no such version any more. */
  readVersion: (version: string) => Promise<BundleFiles>;
  /** The version that scores now, for records that nothing was said of; undefined where there is none. */
  currentVersion: string | undefined;
  partitions: readonly ReplayedPartition[];
  /** By `partition/offset`, all that was said of a record, each thing once. */
  recorded: ReadonlyMap<string, readonly RecordedDetection[]>;
  whatIf?: WhatIf | undefined;
}

export interface WhatIf {
  target?: FalseAlarmTarget | undefined;
  version?: string | undefined;
}

/** What has become of the verdicts, each counted once. */
export interface ReplayCounts {
  /** Records of the range. */
  records: number;
  /** Verdicts that came out equal to the last bit. */
  identical: number;
  different: number;
  /** Made by a version that cannot be had, or is of other settings. */
  withoutVersion: number;
  /** Windows lack records that come before the range, then or now. */
  incomplete: number;
  /** Nothing was said, and nothing would be that is written. */
  quiet: number;
  /** Nothing was said that would be said now. */
  unrecorded: number;
}

export interface Difference {
  /** `partition/offset` */
  origin: string;
  field: string;
  recorded: unknown;
  derived: unknown;
}

export interface ReplayReport extends ReplayCounts {
  engine: string;
  /** Verdicts by the version that made them. */
  versions: Readonly<Record<string, number>>;
  /** Versions that could not be used, and why. */
  unusable: Readonly<Record<string, string>>;
  /** The first ones. */
  differences: readonly Difference[];
  /** How far surprise is off, at most. */
  largestDifference: number;
  alarms: AlarmCount;
  whatIf?: AlarmCount & { threshold: Readonly<Record<string, number>> };
}

/** Of the records whose verdicts could be derived. */
export interface AlarmCount {
  records: number;
  /** Anomalous records. */
  alarms: number;
  /** Events that they open. */
  events: number;
}

/** Messages handed over at once. */
const batchRecords = 1_000;
const maxDifferences = 20;

/** What a verdict rests on, and what it says; explanations have a budget of time. */
const comparedFields = [
  'key',
  'timestampMs',
  'surprise',
  'threshold',
  'anomalous',
  'extrapolated',
  'limits',
  'statistics',
  'baselines',
  'modelVersion',
] as const;

interface Derivation {
  detector: Detector;
  threshold: number;
  /** By `partition/offset`. */
  detections: ReadonlyMap<string, Detection>;
}

/** @throws ModelVersionError when the version of `whatIf` cannot be used */
export async function replay(parts: ReplayParts): Promise<ReplayReport> {
  const { settings, recorded, partitions, whatIf } = parts;
  const origins = partitions.flatMap(({ partition, liveFrom, messages }) =>
    messages
      .filter(({ origin }) => BigInt(origin.offset) >= liveFrom)
      .map(({ origin }) => `${partition}/${origin.offset}`),
  );
  const versions: Record<string, number> = {};
  for (const origin of origins)
    for (const { modelVersion } of recorded.get(origin) ?? [])
      versions[modelVersion] = (versions[modelVersion] ?? 0) + 1;

  const unusable: Record<string, string> = {};
  const derivations = new Map<string, Derivation>();
  const candidates = candidateVersions(origins, recorded, parts.currentVersion);
  try {
    for (const version of new Set([...Object.keys(versions), ...[...candidates.values()].flat()])) {
      try {
        derivations.set(version, await derive(parts, version, 'as recorded'));
      } catch (error) {
        if (!(error instanceof ModelVersionError)) throw error;
        unusable[version] = error.message;
      }
    }
    const compared = compare(parts, origins, derivations, candidates);
    const report: ReplayReport = {
      engine: [...derivations.values()][0]?.detector.engine ?? parts.engines.scoring.name,
      versions,
      unusable,
      ...compared.counts,
      differences: compared.differences,
      largestDifference: compared.largestDifference,
      alarms: countAlarms(settings, compared.derived),
    };
    if (whatIf === undefined) return report;
    const supposed = await suppose(parts, whatIf, compared.derived, derivations, origins);
    return { ...report, whatIf: supposed };
  } finally {
    for (const { detector } of derivations.values()) detector.dispose();
  }
}

/** The verdicts of a version on all records of the range. Levels are those that were recorded, or follow from the range. */
async function derive(
  { settings, engines, readVersion, partitions, recorded }: ReplayParts,
  version: string,
  baselines: 'as recorded' | 'followed',
): Promise<Derivation> {
  const recordDecoder = createRecordDecoder(settings);
  const detector = await decodeBundle(
    version,
    await readVersion(version),
    recordDecoder.table,
    engines.openScoring,
  );
  try {
    if (detector.state.settingsFingerprint !== settingsFingerprint(settings))
      throw new ModelVersionError(version, 'schema', 'it was trained under other settings than these');
    const { surprise: threshold } = alarmThreshold(settings.calibration.falseAlarmTarget, detector.state);
    const active = { detector, threshold };
    const detections = new Map<string, Detection>();
    const sink: Sink = {
      name: 'replay',
      write(verdicts) {
        for (const one of verdicts.detections) detections.set(originOf(one), one);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    // Baselines depend on all records since the version came into use. A detection contains all that its score needs of them.
    const recordedBaselines = (partition: number, offset: bigint) => {
      const lowered = recorded.get(`${partition}/${offset}`)?.[0]?.baselines;
      return lowered && Object.values(lowered);
    };
    const isRecorded = baselines === 'as recorded' && settings.calibration.baselineRecords > 0;
    const states = createOfflineStates(
      settings,
      recordDecoder,
      isRecorded ? { baselines: undefined, recordedBaselines } : {},
    );
    const handle = createOfflinePipeline({ settings, recordDecoder, active, sink, states });
    const { topic } = sourceOf(settings, 'kafka').kafka;
    for (const { partition, from, liveFrom, messages } of partitions) {
      const assignment = { from, liveFrom, after: undefined, processedBefore: from > 0n };
      for (let at = 0; at < messages.length; at += batchRecords)
        await handle({
          topic,
          partition,
          messages: messages.slice(at, at + batchRecords),
          lag: undefined,
          assignment: at === 0 ? assignment : undefined,
        });
    }
    return { detector, threshold, detections };
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

const originOf = ({ origin }: Detection): string => `${origin.partition}/${origin.offset}`;

/** For each record that nothing was said of: by which versions it may have been judged, from what was said around it. */
function candidateVersions(
  origins: readonly string[],
  recorded: ReplayParts['recorded'],
  current: string | undefined,
): Map<string, string[]> {
  const candidates = new Map<string, string[]>();
  const inOrder = (list: readonly string[]) => {
    let newest: string | undefined;
    let partition = '';
    for (const origin of list) {
      const own = origin.split('/')[0]!;
      if (own !== partition) newest = undefined;
      partition = own;
      const said = recorded.get(origin)?.at(-1)?.modelVersion;
      if (said !== undefined) newest = said;
      else if (newest !== undefined) candidates.set(origin, [...(candidates.get(origin) ?? []), newest]);
    }
  };
  inOrder(origins);
  inOrder([...origins].reverse());
  for (const origin of origins)
    if (!recorded.has(origin) && !candidates.has(origin) && current !== undefined)
      candidates.set(origin, [current]);
  return candidates;
}

function compare(
  { settings, recorded }: ReplayParts,
  origins: readonly string[],
  derivations: ReadonlyMap<string, Derivation>,
  candidates: ReadonlyMap<string, readonly string[]>,
) {
  const counts: ReplayCounts = {
    records: origins.length,
    identical: 0,
    different: 0,
    withoutVersion: 0,
    incomplete: 0,
    quiet: 0,
    unrecorded: 0,
  };
  const differences: Difference[] = [];
  let largestDifference = 0;
  /** What was derived of each record, by the version that has judged it. */
  const derived: Detection[] = [];
  const isWritten = ({ anomalous }: Detection): boolean => settings.sinks.kafka.emit === 'all' || anomalous;

  for (const origin of origins) {
    const said = recorded.get(origin);
    if (said === undefined) {
      const would = (candidates.get(origin) ?? [])
        .filter((version) => derivations.has(version))
        .map((version) => derivations.get(version)!.detections.get(origin));
      const quiet = would.find((one) => one === undefined || !isWritten(one));
      if (would.length === 0 || would.includes(undefined) || quiet !== undefined) counts.quiet++;
      else if (would.every((one) => one?.incomplete !== undefined)) counts.incomplete++;
      else {
        counts.unrecorded++;
        note({ origin, field: 'verdict', recorded: undefined, derived: would[0]!.surprise });
      }
      const [first] = quiet === undefined ? would : [quiet];
      if (first !== undefined) derived.push(first);
      continue;
    }
    for (const verdict of said) {
      const derivation = derivations.get(verdict.modelVersion);
      if (derivation === undefined) {
        counts.withoutVersion++;
        continue;
      }
      const detection = derivation.detections.get(origin);
      const found = detection === undefined ? [] : differencesOf(origin, verdict, detection);
      const lacks = verdict['incomplete'] !== undefined || detection?.incomplete !== undefined;
      if (detection !== undefined && found.length === 0) counts.identical++;
      else if (detection === undefined || lacks) counts.incomplete++;
      else {
        counts.different++;
        largestDifference = Math.max(largestDifference, Math.abs(detection.surprise - verdict.surprise));
        found.forEach(note);
      }
      if (detection !== undefined && verdict === said[0]) derived.push(detection);
    }
  }

  function note(difference: Difference): void {
    if (differences.length < maxDifferences) differences.push(difference);
  }
  return { counts, differences, largestDifference, derived };
}

function differencesOf(origin: string, verdict: RecordedDetection, detection: Detection): Difference[] {
  // As it would be written: numbers have gone through JSON on the other side, too.
  const said = JSON.parse(String(encodeDetection(detection).value)) as Record<string, unknown>;
  const explained = 'nearestNormal' in verdict || 'nearestNormal' in said;
  const fields = [...comparedFields, ...(explained ? [] : ['contributions'])];
  return fields
    .filter((field) => JSON.stringify(verdict[field]) !== JSON.stringify(said[field]))
    .map((field) => ({ origin, field, recorded: verdict[field], derived: said[field] }));
}

function countAlarms({ events }: DetectorSettings, detections: readonly Detection[]): AlarmCount {
  const trackers = new Map<number, ReturnType<typeof createEventTracker>>();
  let opened = 0;
  for (const detection of detections) {
    const { partition } = detection.origin;
    const tracker = trackers.get(partition) ?? createEventTracker(events);
    trackers.set(partition, tracker);
    opened += tracker.observe(detection).filter(({ status }) => status === 'open').length;
  }
  return {
    records: detections.length,
    alarms: detections.filter(({ anomalous }) => anomalous).length,
    events: opened,
  };
}

async function suppose(
  parts: ReplayParts,
  { target, version }: WhatIf,
  actual: readonly Detection[],
  derivations: ReadonlyMap<string, Derivation>,
  origins: readonly string[],
): Promise<NonNullable<ReplayReport['whatIf']>> {
  const { settings } = parts;
  const own = version === undefined ? undefined : await derive(parts, version, 'followed');
  try {
    const thresholds: Record<string, number> = {};
    const thresholdOf = (of: string): number => {
      const { detector } = own ?? derivations.get(of)!;
      return (thresholds[of] ??= alarmThreshold(
        target ?? settings.calibration.falseAlarmTarget,
        detector.state,
      ).surprise);
    };
    const detections =
      own === undefined
        ? actual
        : origins.flatMap((origin) => {
            const one = own.detections.get(origin);
            return one === undefined ? [] : [one];
          });
    const judged = detections.map((one) => {
      const threshold = thresholdOf(one.modelVersion);
      return { ...one, threshold, anomalous: one.limits.length > 0 || one.surprise >= threshold };
    });
    return { ...countAlarms(settings, judged), threshold: thresholds };
  } finally {
    own?.detector.dispose();
  }
}
