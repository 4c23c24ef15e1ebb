/**
 * Canaries in live records: whether the detector still finds the faults that it found at its training. At intervals, the window
 * and the memory of a device are copied, its next records are followed, and faults are put into that copy. The canaries affect
 * neither the state nor any detection, and delay live scoring by at most one batch of 16 windows.
 */
import { tileCount } from '../domain/tiles';
import type { TimeRules } from '../domain/continuity';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import type { DecodedMessages } from '../pipeline/windowing';
import { findFaults, type CanaryStretch } from '../scoring/canaries';
import { meanPower, type DetectionPower } from '../scoring/detection-power';
import type { PartitionState } from '../state/partition';
import { createRandom } from '../tensor';
import { FollowedStretch, imageStretch } from './followed-stretch';
import { LivePower } from './live-power';

/** A stretch takes some milliseconds of CPU for a small model, so this interval keeps the cost far below 1 %. */
const usualIntervalMs = 60_000;
/** A device without a record for this long is no longer followed. */
const patienceMs = 86_400_000;
export interface CanaryWatchParts {
  time: TimeRules;
  seed: number;
  /** Keeps the model in use until the promise settles. */
  borrowed: <T>(work: Promise<T>) => Promise<T>;
  metrics: Pick<DetectorMetrics, 'detectionPower'>;
  log: Pick<Logger, 'warn' | 'info'>;
  /** Shortest time from the beginning of one stretch to that of the next. */
  intervalMs?: number;
  /** Monotonic time, ms. */
  now?: () => number;
}

export type CanaryWatch = ReturnType<typeof createCanaryWatch>;

export function createCanaryWatch({
  time,
  seed,
  borrowed,
  metrics,
  log,
  intervalMs = usualIntervalMs,
  now = () => performance.now(),
}: CanaryWatchParts) {
  const random = createRandom(seed);
  const stopping = new AbortController();
  let following: FollowedStretch | undefined;
  let running: Promise<void> | undefined;
  let startedAt = -Infinity;
  /** Shortest time from the beginning of one stretch to that of the next, for the current version. */
  let waitMs = intervalMs;
  /** The version whose detection power is measured. */
  let current: ActiveDetector | undefined;
  const power = new LivePower(metrics, log);

  function observe(decoded: DecodedMessages, partition: PartitionState, active: ActiveDetector): void {
    if (current !== active) {
      current = active;
      // Each tile of an image costs as much as an image.
      waitMs = intervalMs * tileCount(active.detector.state.image);
      power.clear();
      following = undefined;
    }
    if (following?.partition === partition) follow(following, decoded, active);
    if (following !== undefined && now() - following.heardAt > patienceMs) following = undefined;
    if (following !== undefined || running !== undefined || stopping.signal.aborted) return;
    if (now() - startedAt >= waitMs) begin(decoded, partition, active);
  }

  /** Begins a stretch with a record drawn at random from the batch. */
  function begin(decoded: DecodedMessages, partition: PartitionState, active: ActiveDetector): void {
    const { records, rows } = decoded;
    const { shape } = active.detector;
    const at = Math.floor(random.uniform() * rows.length);
    const row = rows[at];
    if (typeof row !== 'number') return;
    const began = now();
    if (shape.pixels === true) start(imageStretch(records, row, shape), active);
    else following = FollowedStretch.begin(decoded, at, partition, shape, began);
    if (following !== undefined || running !== undefined) startedAt = began;
  }

  function follow(followed: FollowedStretch, decoded: DecodedMessages, active: ActiveDetector): void {
    const state = followed.take(decoded, now());
    if (state !== 'following') following = undefined;
    if (state === 'complete') start(followed.stretch, active);
  }

  function start(stretch: CanaryStretch, active: ActiveDetector): void {
    running = borrowed(judge(stretch, active)).finally(() => (running = undefined));
  }

  async function judge(stretch: CanaryStretch, active: ActiveDetector): Promise<void> {
    try {
      const { detector, threshold, power: trained } = active;
      const options = { threshold, time, random: random.fork(), signal: stopping.signal };
      const found = await findFaults(detector, [stretch], options);
      if (found !== undefined && current === active) power.add(found, trained);
    } catch (err) {
      if (!stopping.signal.aborted) log.warn('detection power could not be measured', { err });
    }
  }

  return {
    /** Call after each batch, with the resulting state. */
    observe,
    /** Detection power in live records; undefined with too few of them. */
    live: (): DetectionPower | undefined => power.current(),
    /** Mean of the live detection power over the kinds of faults. */
    meanLive: (): number | undefined => {
      const live = power.current();
      return live && meanPower(live);
    },
    /** Ends the work in progress. Idempotent. */
    async stop(): Promise<void> {
      stopping.abort();
      following = undefined;
      await running;
    },
  };
}
