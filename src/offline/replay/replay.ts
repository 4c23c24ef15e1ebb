/** Derives recorded detections again, with the model versions that made them, and compares both. */
import type { FalseAlarmTarget } from '../../calibration/threshold';
import type { Detection } from '../../domain/detection';
import { ModelVersionError } from '../../errors';
import { countAlarms, countAlarmsAt, type SupposedAlarms } from './alarms';
import { beginningsOf } from './beginnings';
import { candidateVersions, compare } from './comparison';
import { derive, type Derivation, type DerivationParts } from './derivation';

export interface ReplayParts extends DerivationParts {
  /** The version in use, for records without a detection near them; undefined if there is none. */
  currentVersion: string | undefined;
  whatIf?: WhatIf | undefined;
}

export interface WhatIf {
  target?: FalseAlarmTarget | undefined;
  version?: string | undefined;
}

export type ReplayReport = Awaited<ReturnType<typeof replay>>;

/** @throws ModelVersionError if the version of `whatIf` cannot be used */
export async function replay(parts: ReplayParts) {
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
  const beginnings = beginningsOf(origins, recorded);
  const candidates = candidateVersions(origins, recorded, parts.currentVersion);
  try {
    for (const version of new Set([...Object.keys(versions), ...[...candidates.values()].flat()])) {
      try {
        derivations.set(version, await derive(parts, version, beginnings));
      } catch (error) {
        if (!(error instanceof ModelVersionError)) throw error;
        unusable[version] = error.message;
      }
    }
    const compared = compare(settings, recorded, origins, derivations, candidates, beginnings);
    return {
      engine: [...derivations.values()][0]?.detector.engine ?? parts.engines.scoring.name,
      /** Number of recorded detections by model version. */
      versions,
      /** Versions that could not be used, and the reasons. */
      unusable,
      ...compared.counts,
      /** The first differences. */
      differences: compared.differences,
      /** Largest difference of surprise. */
      largestDifference: compared.largestDifference,
      alarms: countAlarms(settings, compared.derived, (of) => derivations.get(of)!.detector),
      whatIf: whatIf && (await suppose(parts, whatIf, compared.derived, derivations, origins)),
    };
  } finally {
    for (const { detector } of derivations.values()) detector.dispose();
  }
}

/** @param actual detections to count unless `version` is given */
async function suppose(
  parts: ReplayParts,
  { target, version }: WhatIf,
  actual: readonly Detection[],
  derivations: ReadonlyMap<string, Derivation>,
  origins: readonly string[],
): Promise<SupposedAlarms> {
  const { settings } = parts;
  const supposed = version === undefined ? undefined : await derive(parts, version, 'followed');
  try {
    const detections =
      supposed === undefined ? actual : origins.flatMap((origin) => supposed.detections.get(origin) ?? []);
    return countAlarmsAt(
      target ?? settings.calibration.falseAlarmTarget,
      settings,
      detections,
      (of) => (supposed ?? derivations.get(of)!).detector,
    );
  } finally {
    supposed?.detector.dispose();
  }
}
