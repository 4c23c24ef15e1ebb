/**
 * Canaries in live records: whether the detector still finds what it found at its training, whatever made it blind. Once in a
 * while the window and the memory of a device are copied, its next records are followed, and faults are put into that copy.
 * Neither the state nor a detection depends on it, and live scoring waits for one batch of 16 windows at most.
 */
import { tileCount } from '../domain/tiles';
import type { TimeRules } from '../domain/continuity';
import { createValues } from '../domain/record';
import { createWindowBatch } from '../domain/window';
import type { Logger } from '../logger';
import type { DetectorMetrics } from '../metrics/metrics';
import type { ActiveDetector } from '../pipeline/pipeline';
import type { DecodedMessages } from '../pipeline/windowing';
import { findFaults, watchedRecords, type CanaryStretch } from '../scoring/canaries';
import {
  meanPower,
  mergePower,
  powerByKind,
  powerFields,
  type DetectionPower,
} from '../scoring/detection-power';
import type { PartitionState } from '../state/partition';
import { createRandom } from '../tensor';

/** A stretch costs some milliseconds of the processor for a small model, so that this is much less than 1 %. */
const usualIntervalMs = 60_000;
/** A device without a record for this long is no longer followed. */
const patienceMs = 86_400_000;
/** Newest stretches that the power is computed from, and the fewest. */
const mostStretches = 24;
const fewestStretches = 8;

export interface CanaryWatchParts {
  time: TimeRules;
  seed: number;
  /** Keeps the model in use until the promise settles. */
  borrowed: <T>(work: Promise<T>) => Promise<T>;
  metrics: Pick<DetectorMetrics, 'detectionPower'>;
  log: Pick<Logger, 'warn' | 'info'>;
  /** Least time between the beginnings of two stretches. */
  intervalMs?: number;
  /** Ms, of a clock that is not set. */
  now?: () => number;
}

/** A device whose records are followed. */
interface Following {
  active: ActiveDetector;
  partition: PartitionState;
  stretch: CanaryStretch;
  /** Records so far. */
  count: number;
  /** Records that are not newer than the newest one. */
  stale: number;
  heardAt: number;
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
  let following: Following | undefined;
  let running: Promise<void> | undefined;
  let startedAt = -Infinity;
  /** Least time between the beginnings of two stretches of the current version. */
  let waitMs = intervalMs;
  /** The version that the powers are of. */
  let current: ActiveDetector | undefined;
  let powers: DetectionPower[] = [];
  let isBlind = false;

  function observe(decoded: DecodedMessages, partition: PartitionState, active: ActiveDetector): void {
    if (current !== active) {
      current = active;
      // Each tile of an image costs as much as an image.
      waitMs = intervalMs * tileCount(active.detector.state.image);
      powers = [];
      following = undefined;
      isBlind = false;
    }
    if (following?.partition === partition) follow(following, decoded);
    if (following !== undefined && now() - following.heardAt > patienceMs) following = undefined;
    if (following !== undefined || running !== undefined || stopping.signal.aborted) return;
    if (now() - startedAt < waitMs) return;
    if (active.detector.shape.pixels === true) judgeImage(decoded, active);
    else following = begin(decoded, partition, active);
  }

  /** An image has a window of its own and no memory, so that nothing needs to be followed. */
  function judgeImage({ records, rows }: DecodedMessages, active: ActiveDetector): void {
    const row = rows[Math.floor(random.uniform() * rows.length)];
    if (typeof row !== 'number') return;
    const { channels, conditions } = active.detector.shape;
    startedAt = now();
    const stretch = {
      key: records.keys[row]!,
      values: records.values.slice(row * channels, (row + 1) * channels),
      conditions: records.conditions.slice(row * conditions, (row + 1) * conditions),
      timestamps: records.timestamps.slice(row, row + 1),
      known: 0,
      from: 0,
    };
    start({ active, stretch });
  }

  function start(what: Pick<Following, 'active' | 'stretch'>): void {
    running = borrowed(judge(what)).finally(() => (running = undefined));
  }

  /** Copies the window and the memory of a device of the batch, if both are complete. */
  function begin(
    { messages, records, rows }: DecodedMessages,
    partition: PartitionState,
    active: ActiveDetector,
  ): Following | undefined {
    const at = Math.floor(random.uniform() * rows.length);
    const row = rows[at];
    const key = typeof row === 'number' ? records.keys[row]! : undefined;
    if (key === undefined) return undefined;
    const { windows, baselines } = partition;
    const memory = baselines?.copyOf(key);
    if (memory === undefined || windows.lacks(key) || !windows.isFull(key)) return undefined;
    if (baselines!.lacks(key, messages[at]!.origin.offset)) return undefined;
    const { shape } = active.detector;
    const { length, channels, conditions } = shape;
    const batch = createWindowBatch(shape, 1);
    windows.copy(key, batch);
    const total = length + watchedRecords;
    const values = createValues(total * channels, false);
    values.set(batch.values);
    const columns = {
      values,
      conditions: new Float64Array(total * conditions),
      timestamps: new Float64Array(total),
    };
    columns.conditions.set(batch.conditions);
    columns.timestamps.set(batch.timestamps);
    startedAt = now();
    const stretch = { key, memory, known: length, from: length, ...columns };
    return { active, partition, stretch, count: length, stale: 0, heardAt: startedAt };
  }

  /** Adds the records of the device, in order as its window has them. */
  function follow(into: Following, { records, rows }: DecodedMessages): void {
    const { key, values, conditions, timestamps } = into.stretch;
    const { channels, conditions: given } = into.active.detector.shape;
    for (const row of rows) {
      if (typeof row !== 'number' || records.keys[row] !== key) continue;
      if (records.timestamps[row]! <= timestamps[into.count - 1]!) {
        // A few records are late or sent twice. More of them mean that the recording began again.
        if (++into.stale > watchedRecords) following = undefined;
        continue;
      }
      values.set(records.values.subarray(row * channels, (row + 1) * channels), into.count * channels);
      conditions.set(records.conditions.subarray(row * given, (row + 1) * given), into.count * given);
      timestamps[into.count++] = records.timestamps[row]!;
      into.heardAt = now();
      if (into.count < timestamps.length) continue;
      following = undefined;
      start(into);
      return;
    }
  }

  async function judge({ active, stretch }: Pick<Following, 'active' | 'stretch'>): Promise<void> {
    try {
      const { detector, threshold } = active;
      const options = { threshold, time, random: random.fork(), signal: stopping.signal };
      const power = await findFaults(detector, [stretch], options);
      if (power !== undefined && current === active) add(power, active);
    } catch (err) {
      if (!stopping.signal.aborted) log.warn('detection power could not be measured', { err });
    }
  }

  function add(power: DetectionPower, { power: trained }: ActiveDetector): void {
    powers = [...powers, power].slice(-mostStretches);
    if (powers.length < fewestStretches) return;
    const live = mergePower(powers)!;
    metrics.detectionPower.live(powerByKind(live));
    if (trained === undefined) return;
    // As the alert VaemonBlind.
    const blind = meanPower(live) < 0.5 * meanPower(trained);
    if (blind && !isBlind)
      log.warn('detection power has fallen below half of that at the training', powerFields(live));
    isBlind = blind;
  }

  /** The power in live records; undefined with too few of them. */
  const live = (): DetectionPower | undefined =>
    powers.length < fewestStretches ? undefined : mergePower(powers);

  return {
    /** Call after each batch, with the state that it has left. */
    observe,
    live,
    /** Mean of it over the kinds of faults. */
    meanLive: (): number | undefined => {
      const power = live();
      return power && meanPower(power);
    },
    /** Ends the work in progress. Idempotent. */
    async stop(): Promise<void> {
      stopping.abort();
      following = undefined;
      await running;
    },
  };
}
