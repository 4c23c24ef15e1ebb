/** From windows to raw scores: encodes them, runs the model, imputes values, and adds the statistic of the linear sibling. */
import { createConditionEncoder, type CategoryTable } from '../domain/condition';
import { createScaler } from '../domain/scaler';
import { createCounts } from '../domain/signal';
import { completeWindow, type EncodedWindows, type WindowBatch } from '../domain/window';
import { createLinear } from '../models/linear';
import type { Model } from '../models/model';
import type { Assessor } from './assessor';
import { createChannelMap } from './contributions';
import { createWindowEncoder } from './encode';
import { createTfjsEngine, type OpenEngine, type Outputs } from './engine';
import { createImputation } from './impute';
import { createMapReader } from './map-cells';
import { outputNames, outputStatistics } from './outputs';
import { createTiledAssessor } from './tiled-assessor';
import { shapeOf, type LearnedState } from './version-state';

/** @param openEngine opens the engine that scores; default: tfjs */
export function createAssessor(
  state: LearnedState,
  model: Model,
  table: CategoryTable,
  openEngine: OpenEngine = createTfjsEngine,
): Assessor {
  const { image } = state;
  if (image?.tile)
    return createTiledAssessor({ ...state, image }, (ofTiles) =>
      createAssessor(ofTiles, model, table, openEngine),
    );
  const shape = shapeOf(state);
  const scaler = createScaler(state.scaler);
  const encoder = createWindowEncoder(shape, scaler, createConditionEncoder(state.conditions, table));
  const channelMap = createChannelMap(state);
  const engine = openEngine(model, encoder, channelMap);
  const counts = createCounts(state.channels, state.signals);
  const impute = createImputation(shape, scaler, counts);
  const statisticsOfModel = outputStatistics(model, channelMap);
  const { contributions, meanErrors, expectedOfChannels } = outputNames;
  const usual = [
    ...statisticsOfModel,
    ...[contributions, meanErrors, expectedOfChannels],
    ...(image === undefined ? [] : [outputNames.deviance, outputNames.expected]),
    ...(state.spec.oddness ? [outputNames.oddness] : []),
  ];
  const { channels } = shape;
  const linear = state.linear && createLinear(state.linear, channels, encoder.terms.size);
  const terms = new Float32Array(encoder.terms.size);
  const buffersOf = new WeakMap<WindowBatch, EncodedWindows>();

  /**
   * The encoded windows of a batch: those that its window store has filled or, without them, encoded now into local buffers.
   */
  function encode(batch: WindowBatch): EncodedWindows {
    let encoded = batch.encoded?.encoder === encoder ? batch.encoded : buffersOf.get(batch);
    if (encoded === undefined)
      buffersOf.set(batch, (encoded = encoder.createBuffers(batch.capacity, engine.onThread)));
    if (encoded.count === batch.count) encoder.mask(batch, encoded);
    else {
      for (let window = 0; window < batch.count; window++) completeWindow(batch, window);
      encoder.encode(batch, encoded);
    }
    encoder.shift(batch, encoded);
    // Imputation overwrites the encoded windows, so the next use must encode again.
    encoded.count = 0;
    return encoded;
  }

  /** Assesses the newest record of each window by the linear sibling. */
  function assessLinear(
    batch: WindowBatch,
    { x, mask, c }: EncodedWindows,
  ): { linear: Float64Array; deviations: Float32Array } {
    const distances = new Float64Array(batch.count);
    const deviations = new Float32Array(batch.count * channels);
    for (let window = 0; window < batch.count; window++) {
      const newest = (window * shape.length + shape.length - 1) * channels;
      encoder.terms.write(c, window * encoder.conditionDim, terms, 0);
      const d = linear!.deviation(batch.keys[window], x, mask, newest, terms, 0);
      if (counts !== undefined) {
        const shift = (j: number): number => batch.recalled.shifts[window * channels + j] ?? 0;
        for (let j = 0; j < channels; j++) {
          const expected = scaler.unscale(x[newest + j]! - d[j]! + shift(j), j);
          if (!counts(j, batch.values[newest + j]!, expected)) d[j] = 0;
        }
      }
      for (let j = 0; j < channels; j++) deviations[window * channels + j] = d[j]!;
      distances[window] = linear!.distance();
    }
    return { linear: distances, deviations };
  }

  /** Runs the model repeatedly, until its expected values for missing and irrelevant values no longer change. */
  async function run<Name extends string>(
    batch: WindowBatch,
    wanted: readonly Name[],
    encoded = encode(batch),
  ): Promise<{ encoded: EncodedWindows; outputs: Outputs<Name> }> {
    // Images have neither missing pixels nor signal rules.
    const mayImpute = image === undefined && (counts !== undefined || encoded.lackingCount > 0);
    if (!mayImpute) return { encoded, outputs: await engine.run(encoded, batch.count, wanted) };
    const withExpected = [...wanted, outputNames.expected] as const;
    let outputs = await engine.run(encoded, batch.count, withExpected);
    for (let step = 0; step < maxImputations; step++) {
      if (!impute(batch, outputs[outputNames.expected], encoded)) break;
      outputs = await engine.run(encoded, batch.count, withExpected);
    }
    return { encoded, outputs };
  }

  return {
    shape,
    scaler,
    channelMap,
    image,
    readMap: image && createMapReader(image, state.spec),
    encoder,
    engine,
    async assess(batch) {
      const encoded = encode(batch);
      // Computed before imputation, which fills missing values.
      const ofLinear = linear && assessLinear(batch, encoded);
      const { outputs } = await run(batch, usual, encoded);
      return {
        statistics: {
          ...Object.fromEntries(statisticsOfModel.map((name) => [name, outputs[name]!])),
          ...(ofLinear && { linear: ofLinear.linear }),
        },
        deviations: ofLinear?.deviations ?? new Float32Array(),
        contributions: outputs[contributions]!,
        meanErrors: outputs[meanErrors]!,
        expected: outputs[expectedOfChannels]!,
        deviance: outputs[outputNames.deviance] ?? new Float32Array(),
        expectedValues: outputs[outputNames.expected] ?? new Float32Array(),
        oddness: outputs[outputNames.oddness] ?? new Float32Array(),
        unknownConditions: encoded.unknownConditions,
      };
    },
  };
}

/** Maximum number of imputations: an imputed value changes the value that the model expects, so imputation is repeated. */
const maxImputations = 8;
