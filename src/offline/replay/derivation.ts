/** Derives detections of recorded messages again, with one model version. */
import { configuredThreshold } from '../../config/calibration';
import { settingsFingerprint } from '../../config/fingerprint';
import { sourceOf, type DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import { ModelVersionError } from '../../errors';
import { createRecordDecoder } from '../../pipeline/record-decoder';
import type { Engines } from '../../runtime/engines';
import { decodeBundle } from '../../scoring/bundle';
import type { Detector } from '../../scoring/detector';
import { linearMean, meaned, meanOf } from '../../scoring/statistics';
import type { RecordedBaseline } from '../../state/rules';
import type { BundleFiles } from '../../store/bundle';
import { createOfflinePipeline, createOfflineStates } from '../pipeline';
import type { Beginnings } from './beginnings';
import type { RecordedDetection, RecordedDetections, ReplayedPartition } from './recorded';

export interface DerivationParts {
  settings: DetectorSettings;
  engines: Engines;
  /** Reads the files of a version. Rejects with a ModelVersionError if the version does not exist. */
  readVersion: (version: string) => Promise<BundleFiles>;
  partitions: readonly ReplayedPartition[];
  recorded: RecordedDetections;
}

export type Derivation = Awaited<ReturnType<typeof derive>>;

/** Messages per batch. */
const batchRecords = 1_000;

/**
 * @param baselines recorded with the detections, and followed from these beginnings on; or 'followed' from the first message on
 * @throws ModelVersionError if the version cannot be used
 */
export async function derive(
  { settings, engines, readVersion, partitions, recorded }: DerivationParts,
  version: string,
  baselines: Beginnings | 'followed',
) {
  const recordDecoder = createRecordDecoder(settings);
  const files = await readVersion(version);
  const detector = await decodeBundle(version, files, recordDecoder.table, engines.openScoring);
  try {
    if (detector.state.settingsFingerprint !== settingsFingerprint(settings))
      throw new ModelVersionError(version, 'schema', 'it was trained under other settings');
    const { surprise: threshold, eventBar } = configuredThreshold(settings, detector.state);
    /** Detections by `partition/offset`. */
    const detections = new Map<string, Detection>();
    // Baselines depend on all records since the version came into use, but a detection records the part that its score needs.
    const recordedBaselines = (beginnings: Beginnings) => ({
      at(partition: number, offset: bigint) {
        const detection = recorded.get(`${partition}/${offset}`)?.[0];
        return detection && recordedBaseline(detector.state, detection);
      },
      from: (partition: number) => beginnings.get(version)?.get(partition)?.offset ?? 0n,
    });
    const changes = baselines === 'followed' ? {} : { recordedBaselines: recordedBaselines(baselines) };
    const active = { detector, threshold, eventBar };
    const thresholds =
      baselines === 'followed' ? () => () => threshold : thresholdsInForce(recorded, version, threshold);
    const handle = createOfflinePipeline({
      settings,
      recordDecoder,
      current: () => active,
      onOutcome(outcome) {
        for (const one of outcome.detections)
          detections.set(`${one.origin.partition}/${one.origin.offset}`, one);
      },
      states: createOfflineStates(settings, recordDecoder, changes),
    });
    const { topic } = sourceOf(settings, 'kafka').kafka;
    for (const { partition, from, liveFrom, messages } of partitions) {
      const assignment = { from, liveFrom, after: undefined, processedBefore: from > 0n };
      const inForce = thresholds(partition, messages);
      for (let at = 0, end; at < messages.length; at = end) {
        end = at + 1;
        while (end < messages.length && end - at < batchRecords && inForce(end) === inForce(at)) end++;
        active.threshold = inForce(at);
        await handle({
          topic,
          partition,
          messages: messages.slice(at, end),
          lag: undefined,
          assignment: at === 0 ? assignment : undefined,
        });
      }
    }
    return { detector, detections };
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

/**
 * The threshold in force for each message of a partition: from its detection by this version, else from the previous detection,
 * else from the next one.
 * @param otherwise threshold if there is no such detection
 */
function thresholdsInForce(recorded: RecordedDetections, version: string, otherwise: number) {
  return (partition: number, messages: ReplayedPartition['messages']): ((message: number) => number) => {
    const told = messages.map(
      ({ origin }) =>
        recorded.get(`${partition}/${origin.offset}`)?.find(({ modelVersion }) => modelVersion === version)
          ?.targetThreshold,
    );
    let latest = told.find((one) => one !== undefined) ?? otherwise;
    const inForce = told.map((one) => (latest = one ?? latest));
    return (message) => inForce[message]!;
  };
}

/** The baseline that the score of a record was computed with, from its detection; undefined if the detection has none. */
function recordedBaseline(
  { channels, scaler, calibration }: Detector['state'],
  { baseline, statistics = {} }: RecordedDetection,
): RecordedBaseline | undefined {
  if (baseline === undefined) return undefined;
  const isShifted = Object.keys(baseline.shifts).length > 0;
  return {
    rise: baseline.rise,
    shift: isShifted
      ? Float32Array.from(channels, (name, j) => (baseline.shifts[name] ?? 0) / scaler.scale[j]!)
      : undefined,
    means: meaned(calibration.evidence).map((name) => statistics[meanOf(name)] ?? NaN),
    linearMean: statistics[linearMean] ?? NaN,
    slow: statistics['slow'] ?? 0,
    linear: statistics['linear'] ?? NaN,
    runs: statistics['runs'] ?? 0,
  };
}
