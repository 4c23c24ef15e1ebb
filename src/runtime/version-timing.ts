/** Measures the time that two versions take to score the same windows. */
import type { TrialEvidence } from '../calibration/gates';
import type { WindowBatch } from '../domain/window';
import { engineRows } from '../scoring/encode';
import type { Detector } from '../scoring/detector';
import type { PartitionState } from '../state/partition';

/** Number of runs per measurement; the shortest one counts. */
const timedRuns = 5;

/** The full windows of these devices, at most one batch of an engine. */
export function fullWindows(
  detector: Pick<Detector, 'createBatch'>,
  partitions: readonly Pick<PartitionState, 'windows'>[],
  devices: ReadonlySet<string>,
): WindowBatch {
  const batch = detector.createBatch(engineRows);
  for (const { windows } of partitions)
    for (const key of devices) if (batch.count < engineRows && windows.isFull(key)) windows.copy(key, batch);
  return batch;
}

type Timed = readonly [Pick<Detector, 'assess'>, WindowBatch];

/** Shortest time per record, s. */
export async function timeVersions(
  inUse: Timed,
  shadow: Timed,
  isStopped: () => boolean,
): Promise<TrialEvidence['secondsPerRecord']> {
  const shortest = { inUse: Infinity, shadow: Infinity };
  for (let i = 0; i < timedRuns && !isStopped(); i++) {
    shortest.inUse = Math.min(shortest.inUse, await secondsOf(inUse));
    shortest.shadow = Math.min(shortest.shadow, await secondsOf(shadow));
  }
  const [, { count }] = inUse;
  return { inUse: shortest.inUse / count, shadow: shortest.shadow / count };
}

async function secondsOf([detector, windows]: Timed): Promise<number> {
  const began = performance.now();
  await detector.assess(windows);
  return (performance.now() - began) / 1000;
}
