/** From the raw scores of a batch to its surprise: each window in turn, with the memory of its device. */
import { createBalance } from '../calibration/balance';
import { createSections } from '../calibration/sections';
import { createSurpriseScale, type Tests } from '../calibration/surprise';
import type { DeviceBaseline } from '../domain/detection';
import type { WindowBatch } from '../domain/window';
import type { Assessor, RawScores } from './assessor';
import type { ChannelStatistic } from './channels';
import type { GroupReader } from './group';
import { createLinearReading } from './linear-reading';
import type { DeviceMemory, MemoryOf } from './memory';
import { linearMean, meaned, meanOf } from './statistics';
import type { VersionState } from './version-state';

/** Surprise of a batch and the values that it was computed from, column by column. */
export interface CalibratedBatch {
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** The surprise minus the rise of the device's baseline, for comparison with the threshold. Shape [count]. */
  aboveBaseline: Float64Array;
  /** 1 if the p-value depends on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
  /** Statistics by name, shape [count] each. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** Statistics of one window. Cheaper than `statistics`, whose column `channel` is computed on first use. */
  statisticsOf(window: number): Record<string, number>;
  /** The baseline that a window was scored with; undefined without a memory. */
  baselineOf(window: number): DeviceBaseline | undefined;
  /** Mark of the baseline of the device at an unusual window; empty for others. */
  markOf(window: number): readonly number[];
}

/** With memories, batches must come in the order of their records. */
export type CalibrateBatch = (batch: WindowBatch, raw: RawScores, memoryOf?: MemoryOf) => CalibratedBatch;

/**
 * Columns of a batch that depend on the memory of devices. Each has shape [count], or is empty if the version has no such
 * memory.
 */
interface Stored {
  means: readonly Float64Array[];
  linearMean: Float64Array;
  slow: Float64Array;
  rise: Float64Array;
  /** Marks of windows with a surprise of at least `markedFrom`. */
  marks: Map<number, readonly number[]>;
}

/** Least surprise of a window for which a mark is taken: less surprising windows begin no event. */
const markedFrom = 1;

export function createBatchCalibration(
  state: VersionState,
  assessor: Pick<Assessor, 'shape' | 'scaler'>,
  channel: ChannelStatistic,
  groupOf: GroupReader | undefined,
): CalibrateBatch {
  const scale = createSurpriseScale(state.calibration);
  const channelCount = state.channels.length;
  const balance = state.balance && createBalance(state.balance);
  const sections = state.sections && createSections(state.sections, channelCount);
  const linear = createLinearReading(state, assessor);
  const linearMeanAt = scale.names.indexOf(linearMean);
  /** Positions of the statistics whose means are in the evidence, and positions of their means. */
  const meanedAt = meaned(state.calibration.evidence).map((name) => scale.names.indexOf(name));
  const meansAt = meaned(state.calibration.evidence).map((name) => scale.names.indexOf(meanOf(name)));
  const latest = new Float64Array(meanedAt.length);
  const recent = new Float64Array(meanedAt.length);
  const errors = new Float64Array(2 * channelCount);

  /** @param stored receives the means, the slow test's statistic, the rise and the mark of each window */
  function surpriseOf(
    batch: WindowBatch,
    raw: RawScores,
    statistics: CalibratedBatch['statistics'],
    memoryOf: MemoryOf | undefined,
    stored: Stored,
  ): Pick<CalibratedBatch, 'surprise' | 'aboveBaseline' | 'extrapolated'> {
    const { count } = batch;
    const surprise = new Float64Array(count);
    const aboveBaseline = new Float64Array(count);
    const extrapolated = new Uint8Array(count);
    const columns = scale.names.map((name) => statistics[name]);
    const row = new Float64Array(columns.length);
    // One object for all windows, as this runs for every record.
    const tests: Tests = { statistics: row, slow: 0, sections: 0, runs: 0, group: undefined };
    let i = 0;
    let memory: DeviceMemory | undefined;
    const rise = (evidence: number): number => (stored.rise[i] = memory?.rise(evidence) ?? 0);
    for (; i < count; i++) {
      memory = memoryOf?.(i);
      if (linear.inContext !== undefined)
        (statistics['linear'] as Float64Array)[i] = linear.inContext(batch, i, raw.deviations, memory);
      for (let s = 0; s < columns.length; s++) row[s] = columns[s]?.[i] ?? 0;
      for (let m = 0; m < meanedAt.length; m++) latest[m] = recent[m] = row[meanedAt[m]!]!;
      memory?.means(latest, recent, 0);
      for (let m = 0; m < meansAt.length; m++) stored.means[m]![i] = row[meansAt[m]!] = recent[m]!;
      if (linear.mean !== undefined)
        stored.linearMean[i] = row[linearMeanAt] = linear.mean(i, raw.deviations, memory);
      tests.slow = 0;
      if (state.slow !== undefined && memory !== undefined) {
        for (let j = 0; j < channelCount; j++) {
          errors[j] = raw.deviations[i * channelCount + j]!;
          errors[channelCount + j] = raw.meanErrors[i * channelCount + j]!;
        }
        tests.slow = stored.slow[i] = memory.slow(errors);
      }
      if (sections !== undefined) tests.sections = sections(raw.contributions, i * channelCount);
      tests.runs = batch.recalled.runs[i]!;
      tests.group = groupOf?.(batch, i);
      const result = scale.surpriseOf(tests, rise);
      surprise[i] = result.surprise;
      aboveBaseline[i] = result.aboveBaseline;
      extrapolated[i] = result.extrapolated ? 1 : 0;
      if (memory !== undefined && result.surprise >= markedFrom) stored.marks.set(i, memory.mark());
    }
    return { surprise, aboveBaseline, extrapolated };
  }

  /** The shift of each channel of a window, in its unit. */
  function shiftsOf({ recalled }: WindowBatch, window: number): Record<string, number> {
    return Object.fromEntries(
      state.channels.flatMap((name, j) => {
        const shift = recalled.shifts[window * channelCount + j] ?? 0;
        return shift === 0 ? [] : [[name, shift * state.scaler.scale[j]!]];
      }),
    );
  }

  return (batch, raw, memoryOf) => {
    const { count } = batch;
    let ofChannels: Float64Array | undefined;
    const ofRecords = {
      ...raw.statistics,
      ...(balance && { balanced: balance(raw.contributions, count) }),
      ...(linear.inContext && { linear: new Float64Array(count) }),
    };
    const statistics = {
      ...ofRecords,
      get channel() {
        return (ofChannels ??= channel.assess(raw.contributions, count));
      },
    };
    const stored: Stored = {
      means: meansAt.map(() => new Float64Array(count)),
      linearMean: new Float64Array(linear.mean === undefined ? 0 : count),
      slow: new Float64Array(state.slow === undefined ? 0 : count),
      rise: new Float64Array(count),
      marks: new Map(),
    };
    const contributionsOf = (window: number): Float32Array =>
      raw.contributions.subarray(window * channelCount, (window + 1) * channelCount);
    return {
      ...surpriseOf(batch, raw, statistics, memoryOf, stored),
      statistics,
      statisticsOf: (window) => ({
        ...rowOf(ofRecords, window),
        ...Object.fromEntries(meansAt.map((at, m) => [scale.names[at]!, stored.means[m]![window]!])),
        ...(linear.mean && { [linearMean]: stored.linearMean[window]! }),
        ...(state.slow && { slow: stored.slow[window]! }),
        ...(sections && { sections: sections(raw.contributions, window * channelCount) }),
        ...(state.runs && { runs: batch.recalled.runs[window]! }),
        channel: channel.assess(contributionsOf(window), 1)[0]!,
      }),
      baselineOf: (window) => memoryOf && { rise: stored.rise[window]!, shifts: shiftsOf(batch, window) },
      markOf: (window) => stored.marks.get(window) ?? [],
    };
  };
}

/** The values of one window, by name of the column. */
export function rowOf(
  columns: Readonly<Record<string, ArrayLike<number>>>,
  window: number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[window]!]));
}
