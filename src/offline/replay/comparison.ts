/** Compares recorded detections with those that are derived again. */
import type { DetectorSettings } from '../../config/settings';
import type { Detection } from '../../domain/detection';
import { encodeDetection } from '../../sinks/kafka/messages';
import type { Beginnings } from './beginnings';
import type { Derivation } from './derivation';
import type { RecordedDetection, RecordedDetections } from './recorded';

/** Each recorded detection, and each record without one, is counted in one of these counts. */
function createCounts(records: number) {
  return {
    /** Number of records in the range. */
    records,
    /** Equal to the last bit. */
    identical: 0,
    different: 0,
    /** The model version does not exist, or was trained with other settings. */
    withoutVersion: 0,
    /**
     * Windows lack records before the range, or lacked records when the detection was recorded; or no detection was recorded, and
     * the version came into use at an unknown record.
     */
    incomplete: 0,
    /** No detection was recorded, and none was derived that the sink would write. */
    quiet: 0,
    /** No detection was recorded, but one was derived that the sink would write. */
    unrecorded: 0,
  };
}

interface Difference {
  /** Origin of the record, `partition/offset`. */
  origin: string;
  field: string;
  recorded: unknown;
  derived: unknown;
}

const maxDifferences = 20;

/** Fields that must be equal. Explanations are excluded, as they depend on a time budget. */
const comparedFields = [
  'key',
  'timestampMs',
  'surprise',
  'threshold',
  'anomalous',
  'extrapolated',
  'limits',
  'statistics',
  'baseline',
  'modelVersion',
] as const;

/** The versions that may have scored each record without a detection: those of the nearest detections before and after it. */
export function candidateVersions(
  origins: readonly string[],
  recorded: RecordedDetections,
  current: string | undefined,
): Map<string, string[]> {
  const candidates = new Map<string, string[]>();
  const inOrder = (list: readonly string[]) => {
    let newest: string | undefined;
    let partition = '';
    for (const origin of list) {
      const ofOrigin = origin.split('/')[0]!;
      if (ofOrigin !== partition) newest = undefined;
      partition = ofOrigin;
      const version = recorded.get(origin)?.at(-1)?.modelVersion;
      if (version !== undefined) newest = version;
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

/**
 * @param origins of the records, as `partition/offset`
 * @param derivations by version
 * @param candidates versions to try for records without a detection
 */
export function compare(
  { sinks }: DetectorSettings,
  recorded: RecordedDetections,
  origins: readonly string[],
  derivations: ReadonlyMap<string, Derivation>,
  candidates: ReadonlyMap<string, readonly string[]>,
  beginnings: Beginnings,
) {
  const counts = createCounts(origins.length);
  const differences: Difference[] = [];
  /** Largest difference of surprise. */
  let largestDifference = 0;
  /** One detection per record that has any, by the version that scored the record. */
  const derived: Detection[] = [];
  const writesAll = sinks.kafka.emit === 'all';
  const isWritten = ({ anomalous }: Detection): boolean => writesAll || anomalous;
  /** Whether the original detection may not have been written. The existence of detections does not depend on baselines. */
  const isDoubtful = ({ incomplete = [], modelVersion, origin: { partition } }: Detection): boolean =>
    beginnings.get(modelVersion)?.get(partition)?.isExact === false ||
    (writesAll ? incomplete.includes('window') : incomplete.length > 0);

  function note(difference: Difference): void {
    if (differences.length < maxDifferences) differences.push(difference);
  }

  function compareUnrecorded(origin: string): void {
    const tried = (candidates.get(origin) ?? []).flatMap((version) => derivations.get(version) ?? []);
    const detections = tried.map((derivation) => derivation.detections.get(origin));
    const quiet = detections.find((one) => one === undefined || !isWritten(one));
    if (detections.length === 0 || detections.includes(undefined) || quiet !== undefined) counts.quiet++;
    else if (detections.every((one) => one !== undefined && isDoubtful(one))) counts.incomplete++;
    else {
      counts.unrecorded++;
      note({ origin, field: 'detection', recorded: undefined, derived: detections[0]!.surprise });
    }
    const [first] = quiet === undefined ? detections : [quiet];
    if (first !== undefined) derived.push(first);
  }

  function compareRecorded(origin: string, given: RecordedDetection, isFirst: boolean): void {
    const derivation = derivations.get(given.modelVersion);
    if (derivation === undefined) {
      counts.withoutVersion++;
      return;
    }
    const detection = derivation.detections.get(origin);
    const found = detection === undefined ? [] : differencesOf(origin, given, detection);
    const isIncomplete = given['incomplete'] !== undefined || detection?.incomplete !== undefined;
    if (detection !== undefined && found.length === 0) counts.identical++;
    else if (detection === undefined || isIncomplete) counts.incomplete++;
    else {
      counts.different++;
      largestDifference = Math.max(largestDifference, Math.abs(detection.surprise - given.surprise));
      found.forEach(note);
    }
    if (detection !== undefined && isFirst) derived.push(detection);
  }

  for (const origin of origins) {
    const given = recorded.get(origin);
    if (given === undefined) compareUnrecorded(origin);
    else given.forEach((one, i) => compareRecorded(origin, one, i === 0));
  }
  return { counts, differences, largestDifference, derived };
}

function differencesOf(origin: string, recorded: RecordedDetection, detection: Detection): Difference[] {
  // The recorded numbers have been converted to JSON and back, so the derived ones are, too.
  const derived = JSON.parse(String(encodeDetection(detection).value)) as Record<string, unknown>;
  const isExplained = 'nearestNormal' in recorded || 'nearestNormal' in derived;
  const fields = [...comparedFields, ...(isExplained ? [] : ['contributions'])];
  return fields
    .filter((field) => JSON.stringify(recorded[field]) !== JSON.stringify(derived[field]))
    .map((field) => ({ origin, field, recorded: recorded[field], derived: derived[field] }));
}
