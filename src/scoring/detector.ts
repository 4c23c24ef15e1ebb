/** A loaded model version: windows in, surprise out. */
import { createBalance } from '../calibration/balance';
import { createContext, type ContextState } from '../calibration/context';
import type { MemoryPolicy, MemorySnapshot } from '../calibration/memory';
import { createMeanChart } from '../calibration/mean-chart';
import { meanRecords } from '../calibration/recent-means';
import { createSections } from '../calibration/sections';
import { createSurpriseScale, type Tests } from '../calibration/surprise';
import type { CategoryTable } from '../domain/condition';
import type { Contribution, DeviceBaseline, NearestNormal } from '../domain/detection';
import type { Values } from '../domain/record';
import { completeWindow, type WindowBatch, type WindowShape } from '../domain/window';
import type { OddImage } from '../domain/witnessed-record';
import { disposeModel, type Model } from '../models/model';
import { createAssessor } from './assess';
import type { RawScores } from './assessor';
import { createChannelStatistic } from './channels';
import type { OpenEngine } from './engine';
import { createExplainer, createImageExplainer, offDimensions, type NearestImage } from './explain';
import { createGroupReader } from './group';
import { createMemoryFactory, type DeviceMemories, type DeviceMemory } from './memory';
import { describeRegions, isInside, within, type ImageValues } from './odd-regions';
import { paintHeat } from './heat-map';
import { createOddness, type Heat, type OddRegion } from './oddness';
import { createRanking } from './ranking';
import { linearMean, meaned, meanOf } from './statistics';
import { createVersionBatch, type VersionState } from './version-state';

/** Calibrated scores of a batch of windows, column by column. */
export interface Scores extends Calibrated {
  count: number;
  /** By name, shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** Statistics of one window. Cheaper than `statistics`, where the column `channel` is computed on first use. */
  statisticsOf(window: number): Record<string, number>;
  /** What the score of a window took from its device; undefined without a memory. */
  baselineOf(window: number): DeviceBaseline | undefined;
  /** Mark of the baseline of the device at an unusual window; empty for others. */
  markOf(window: number): readonly number[];
  /** Categories that training has not seen. */
  unknownConditions: number;
  /** The contribution of each channel of one window, the most unusual first; of an image, of its odd regions. */
  contributions(window: number): Contribution[];
  /**
   * Writes the actual value of each channel in the newest record of a window, and after them what the model expects, as in the
   * contributions. Shape [2 × channels].
   */
  writeValues(window: number, into: Float32Array, at: number): void;
  /**
   * One window compared with its nearest normal, which takes milliseconds to find; its contributions sum to
   * `nearestNormal.reconstruction`. Repeatable.
   */
  explain(window: number): { contributions: Contribution[]; nearestNormal: NearestNormal };
  /** Keeps the data of an image to draw where it is odd, after the batch has changed. Of images only. */
  keepImage?(window: number): OddImage;
}

/** Surprise of a batch. */
interface Calibrated {
  /** −log10 p. Shape [count]. */
  surprise: Float64Array;
  /** The surprise above the baseline of its device, which a threshold is compared with. Shape [count]. */
  aboveBaseline: Float64Array;
  /** 1 where the p-value rests on the fitted tail alone. Shape [count]. */
  extrapolated: Uint8Array;
}

/** The memory of a window's device: its score depends on it, and it stores the statistics. */
export type MemoryOf = (window: number) => DeviceMemory | undefined;

export interface Detector {
  readonly version: string;
  readonly state: VersionState;
  readonly shape: WindowShape;
  /** Name of the engine that scores. */
  readonly engine: string;
  /**
   * A batch with buffers for encoded windows, so that a window store can encode record by record.
   * @param mayDefer whether raw records may be copied only when they are needed
   */
  createBatch(capacity: number, mayDefer?: boolean): WindowBatch;
  /**
   * Runs the model. Repeatable: the scores of a window do not depend on its batch. The batch must not change, and must not
   * be assessed again, until `applyCalibration` has returned.
   */
  assess(batch: WindowBatch): Promise<RawScores>;
  /** With memories, batches must come in the order of their records. */
  applyCalibration(batch: WindowBatch, raw: RawScores, memoryOf?: MemoryOf): Scores;
  /** `assess`, then `applyCalibration`. */
  score(batch: WindowBatch, memoryOf?: MemoryOf): Promise<Scores>;
  /** How odd each place of an image is. Of the first window of the batch. @throws Error unless windows are images */
  heat(batch: WindowBatch): Promise<Heat>;
  /** Memories of devices, which begin as history left them. */
  createMemories(policy: MemoryPolicy, snapshot?: MemorySnapshot): DeviceMemories;
  /** Disposes the engine but not the model. */
  release(): void;
  /** Disposes engine and model. */
  dispose(): void;
}

/** Columns of a batch that depend on the memory of devices. Each of shape [count]. */
interface Stored {
  means: readonly Float64Array[];
  linearMean: Float64Array;
  slow: Float64Array;
  rise: Float64Array;
  /** Of windows with a surprise of `markedFrom`. */
  marks: Map<number, readonly number[]>;
}

/** Less surprising windows begin no event. */
const markedFrom = 1;

/** Surprise above which a channel looks odd: one normal record in a hundred. */
const oddSurprise = 2;

export function createDetector(
  version: string,
  state: VersionState,
  model: Model,
  table: CategoryTable,
  openEngine?: OpenEngine,
): Detector {
  const assessor = createAssessor(state, model, table, openEngine);
  const { shape, scaler, encoder, engine, channelMap, tiles } = assessor;
  const createMemories = createMemoryFactory(state, scaler);
  const channel = createChannelStatistic(state.channelCalibrations);
  const scale = createSurpriseScale(state.calibration);
  const groupOf = createGroupReader(state, table);
  const rank = createRanking(state, assessor, channel);
  const { image, oddness: oddnessState } = state;
  const oddness = image && createOddness(image, oddnessState);
  const findNearestImage = createImageExplainer({ model, encoder, shape: tiles?.shape ?? shape });
  const findNearestNormal = createExplainer({
    model,
    encoder,
    shape,
    channelMap,
    typicalContributions: state.channelCalibrations.map(({ scores }) => scores[scores.length >> 1]!),
    isOdd: (contribution, j) => channel.surpriseOf(contribution, j) > oddSurprise,
  });

  /** Places of the statistics with a mean in the evidence, and of their means. */
  const meanedAt = meaned(state.calibration.evidence).map((name) => scale.names.indexOf(name));
  const meansAt = meaned(state.calibration.evidence).map((name) => scale.names.indexOf(meanOf(name)));
  const channelCount = state.channels.length;
  const balance = state.balance && createBalance(state.balance);
  const sections = state.sections && createSections(state.sections, channelCount);
  const errors = new Float64Array(2 * channelCount);
  const context = state.context && createContextReader(state.context);
  const lasting = createLastingReader();
  const linearMeanAt = scale.names.indexOf(linearMean);
  const latest = new Float64Array(meanedAt.length);
  const recent = new Float64Array(meanedAt.length);

  /** @param stored gets the means, the slow test's statistic, the rise and the mark of each window */
  function calibrate(
    batch: WindowBatch,
    raw: RawScores,
    statistics: Scores['statistics'],
    memoryOf: MemoryOf | undefined,
    stored: Stored,
  ): Calibrated {
    const { count } = batch;
    const surprise = new Float64Array(count);
    const aboveBaseline = new Float64Array(count);
    const extrapolated = new Uint8Array(count);
    const columns = scale.names.map((name) => statistics[name]);
    const row = new Float64Array(columns.length);
    // One for all windows: this runs for every record.
    const tests: Tests = { statistics: row, slow: 0, sections: 0, runs: 0, group: undefined };
    let i = 0;
    let memory: DeviceMemory | undefined;
    const rise = (evidence: number): number => (stored.rise[i] = memory?.rise(evidence) ?? 0);
    for (; i < count; i++) {
      memory = memoryOf?.(i);
      if (context !== undefined)
        (statistics['linear'] as Float64Array)[i] = context.read(batch, i, raw.deviations, memory);
      for (let s = 0; s < columns.length; s++) row[s] = columns[s]?.[i] ?? 0;
      for (let m = 0; m < meanedAt.length; m++) latest[m] = recent[m] = row[meanedAt[m]!]!;
      memory?.means(latest, recent, 0);
      for (let m = 0; m < meansAt.length; m++) stored.means[m]![i] = row[meansAt[m]!] = recent[m]!;
      if (lasting !== undefined)
        stored.linearMean[i] = row[linearMeanAt] =
          context === undefined
            ? lasting(raw.deviations, i * channelCount, memory)
            : lasting(context.rest, 0, memory);
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

  /** T² of the newest record of a window given its context, which is that of an unknown device without a memory. */
  function createContextReader(contextState: ContextState) {
    const unknown = createContext(contextState);
    const cells = new Float64Array(unknown.size);
    const x = new Float64Array(channelCount);
    const rest = new Float64Array(channelCount);
    const read = (
      batch: WindowBatch,
      window: number,
      deviations: Float32Array,
      memory?: DeviceMemory,
    ): number => {
      const newest = (window * shape.length + shape.length - 1) * channelCount;
      const from = window * channelCount;
      for (let j = 0; j < channelCount; j++) {
        const shift = batch.recalled.shifts[from + j] ?? 0;
        x[j] = scaler.scaleKnown(batch.values[newest + j]!, j) - shift;
      }
      if (memory !== undefined) return memory.context(x, deviations, from, rest);
      unknown.begin(cells, '');
      return unknown.step(cells, x, 0, deviations, from, rest);
    };
    return { read, /** What the context leaves of the deviations of the window that was read last. */ rest };
  }

  /** T² of the mean deviation from the linear sibling; without a memory that of a device with this record alone. */
  function createLastingReader() {
    if (state.linearMean === undefined) return undefined;
    const unknown = createMeanChart(state.linearMean, meanRecords);
    const cells = new Float64Array(channelCount);
    const centre = new Float64Array(channelCount);
    return (deviations: ArrayLike<number>, from: number, memory?: DeviceMemory): number =>
      memory === undefined
        ? unknown.step(cells.fill(0), deviations, from, centre)
        : memory.linearMean(deviations, from);
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

  const valuesPerWindow = shape.length * shape.channels;

  function writeValues(
    { values, recalled: { shifts } }: WindowBatch,
    expected: Float32Array,
    window: number,
    into: Float32Array,
    at: number,
  ): void {
    channelMap.writeActual(values, window * valuesPerWindow, into, at);
    for (let j = 0; j < channelCount; j++) {
      const shift = shifts[window * channelCount + j] ?? 0;
      const scaled = expected[window * channelCount + j]! + shift;
      into[at + channelCount + j] = scaler.unscale(scaled, j % scaler.channels);
    }
  }

  const valuesOf = <T extends Values | Float32Array>(values: T, window: number): T =>
    values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow) as T;

  const regionsOf = (raw: RawScores, window: number): OddRegion[] =>
    oddness!.regions(oddness!.map(valuesOf(raw.deviance, window)));

  function keepImage(batch: WindowBatch, raw: RawScores, window: number): OddImage {
    const bytes = valuesOf(batch.values, window).slice();
    const map = oddness!.map(valuesOf(raw.deviance, window));
    return () => paintHeat(bytes, image!, oddness!.heat(map));
  }

  const asScored = (batch: WindowBatch, raw: RawScores, window: number): ImageValues => ({
    actual: valuesOf(batch.values, window),
    expected: valuesOf(raw.expectedValues, window),
    deviance: valuesOf(raw.deviance, window),
  });

  function contributionsOf(batch: WindowBatch, raw: RawScores, window: number): Contribution[] {
    if (image === undefined) {
      const ofChannels = (values: Float32Array): Float32Array =>
        values.subarray(window * channelCount, (window + 1) * channelCount);
      return rank(batch, window, ofChannels(raw.contributions), ofChannels(raw.expected));
    }
    return describeRegions(regionsOf(raw, window), image, asScored(batch, raw, window), scaler);
  }

  /** Of an image, or of the tile that its oddest region lies in. */
  function nearestOf(batch: WindowBatch, window: number, regions: readonly OddRegion[]): NearestImage {
    if (tiles === undefined) return findNearestImage(batch, window, isInside(regions, image!));
    const { batch: single, tile } = tiles.around(batch, window, regions[0]!.box);
    return findNearestImage(single, 0, isInside(within(regions, tile), tiles.image));
  }

  function explainImage(batch: WindowBatch, raw: RawScores, window: number): ReturnType<Scores['explain']> {
    const regions = regionsOf(raw, window);
    const { latent, ...nearest } = nearestOf(batch, window, regions);
    const scored = asScored(batch, raw, window);
    // Of an image with tiles one tile is compared with its nearest normal; its regions are as they were scored.
    const values = tiles === undefined ? { ...scored, ...nearest } : scored;
    const contributions = describeRegions(regions, image!, values, scaler);
    return {
      contributions,
      nearestNormal: {
        reconstruction: nearest.deviance.reduce((sum, nats) => sum + nats, 0),
        leftOut: contributions.map(({ channel }) => channel),
        latent: offDimensions(latent, model.latentDims),
      },
    };
  }

  function explain(batch: WindowBatch, raw: RawScores, window: number): ReturnType<Scores['explain']> {
    if (image !== undefined) return explainImage(batch, raw, window);
    const nearest = findNearestNormal(batch, window);
    return {
      contributions: rank(batch, window, nearest.contributions, nearest.expected),
      nearestNormal: {
        reconstruction: nearest.contributions.reduce((sum, contribution) => sum + contribution, 0),
        leftOut: nearest.leftOut.map((j) => state.channels[j]!),
        latent: offDimensions(nearest.latent, model.latentDims),
      },
    };
  }

  function applyCalibration(batch: WindowBatch, raw: RawScores, memoryOf?: MemoryOf): Scores {
    const { count } = batch;
    const ofWindow = (values: Float32Array, window: number): Float32Array =>
      values.subarray(window * channelCount, (window + 1) * channelCount);
    let ofChannels: Float64Array | undefined;
    const ofRecords = {
      ...raw.statistics,
      ...(balance && { balanced: balance(raw.contributions, count) }),
      ...(context && { linear: new Float64Array(count) }),
    };
    const statistics = {
      ...ofRecords,
      get channel() {
        return (ofChannels ??= channel.assess(raw.contributions, count));
      },
    };
    const stored: Stored = {
      means: meansAt.map(() => new Float64Array(count)),
      linearMean: new Float64Array(lasting === undefined ? 0 : count),
      slow: new Float64Array(state.slow === undefined ? 0 : count),
      rise: new Float64Array(count),
      marks: new Map(),
    };
    return {
      count,
      ...calibrate(batch, raw, statistics, memoryOf, stored),
      statistics,
      statisticsOf: (window) => ({
        ...rowOf(ofRecords, window),
        ...Object.fromEntries(meansAt.map((at, m) => [scale.names[at]!, stored.means[m]![window]!])),
        ...(lasting && { [linearMean]: stored.linearMean[window]! }),
        ...(state.slow && { slow: stored.slow[window]! }),
        ...(sections && { sections: sections(raw.contributions, window * channelCount) }),
        ...(state.runs && { runs: batch.recalled.runs[window]! }),
        channel: channel.assess(ofWindow(raw.contributions, window), 1)[0]!,
      }),
      baselineOf: (window) => memoryOf && { rise: stored.rise[window]!, shifts: shiftsOf(batch, window) },
      markOf: (window) => stored.marks.get(window) ?? [],
      unknownConditions: raw.unknownConditions,
      contributions(window) {
        completeWindow(batch, window);
        return contributionsOf(batch, raw, window);
      },
      writeValues: (window, into, at) => writeValues(batch, raw.expected, window, into, at),
      explain(window) {
        completeWindow(batch, window);
        return explain(batch, raw, window);
      },
      ...(image && { keepImage: (window) => keepImage(batch, raw, window) }),
    };
  }

  return {
    version,
    state,
    shape,
    engine: engine.name,
    createBatch: (capacity, mayDefer) =>
      createVersionBatch(
        state,
        capacity,
        tiles ? undefined : encoder.createBuffers(capacity, engine.onThread),
        mayDefer,
      ),
    assess: (batch) => assessor.assess(batch),
    applyCalibration,
    score: async (batch, memoryOf) => applyCalibration(batch, await assessor.assess(batch), memoryOf),
    async heat(batch) {
      if (oddness === undefined) throw new Error('only images have a heat map');
      return oddness.heat(oddness.map(valuesOf((await assessor.assess(batch)).deviance, 0)));
    },
    createMemories,
    release: () => engine.dispose(),
    dispose() {
      engine.dispose();
      disposeModel(model);
    },
  };
}

/** The values of one window, by name of the column. */
export function rowOf(
  columns: Readonly<Record<string, ArrayLike<number>>>,
  window: number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[window]!]));
}
