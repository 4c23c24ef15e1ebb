/** The inputs of the model and their encoding: scales, vocabularies and the dimensions that follow from the fit block. */
import {
  createConditionEncoder,
  fitConditions,
  type CategoryTable,
  type ConditionEncoder,
  type ConditionState,
} from '../domain/condition';
import { colourChannels } from '../domain/image';
import { createValues, imageOf, type Values } from '../domain/record';
import { modelImage } from '../domain/tiles';
import { createScaler, fitScaler, pixelScaler, type ScalerState } from '../domain/scaler';
import { featureOptions, hasFeatures } from '../models/features';
import type { ModelSpec } from '../models/model';
import { createWindowEncoder, type WindowEncoder } from '../scoring/encode';
import type { Dataset } from './dataset';
import { chooseLikelihood } from './likelihood';
import type { TiledDataset } from './tiled-dataset';
import type { TrainingOptions } from './options';

export interface Inputs {
  scaler: ScalerState;
  conditions: ConditionState;
  conditionEncoder: ConditionEncoder;
  encoder: WindowEncoder;
  spec: ModelSpec;
}

/** Scales and vocabularies are also learned from the fit block alone. */
export function fitInputs(
  dataset: Dataset,
  ends: Int32Array,
  examples: TiledDataset,
  table: CategoryTable,
  { schema, seasons = [], model }: Pick<TrainingOptions, 'schema' | 'seasons' | 'model'>,
): Inputs {
  const records = recordsUpTo(dataset, ends);
  const images = imageOf(schema);
  const image = images && modelImage(images);
  const scaler =
    image === undefined
      ? fitScaler(records.values(), records.count, schema.channels.length)
      : pixelScaler(image);
  const conditions = fitConditions(
    [...schema.conditions, ...seasons],
    table,
    records.conditions,
    records.count,
  );
  const conditionEncoder = createConditionEncoder(conditions, table);
  const encoder = createWindowEncoder(examples.dataset.shape, createScaler(scaler), conditionEncoder);
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- not part of a spec
  const { conditionDropout, likelihood, ...modelOptions } = model;
  const spec: ModelSpec = {
    ...modelOptions,
    ...featureOptions(model.features, examples.split.fit.length),
    likelihood:
      hasFeatures(model) && likelihood === 'auto' ? 'gaussian' : chooseLikelihood(likelihood, records.values),
    ...(image === undefined
      ? { length: dataset.shape.length, width: 1, channels: schema.channels.length }
      : { length: image.width * image.height, width: image.width, channels: colourChannels(image) }),
    conditionDim: encoder.conditionDim,
  };
  return { scaler, conditions, conditionEncoder, encoder, spec };
}

/** The raw records of the windows that end at `ends`. */
function recordsUpTo(
  dataset: Dataset,
  ends: Int32Array,
): { values: () => Values; conditions: Float64Array; count: number } {
  const { channels, conditions: given, length, pixels = false } = dataset.shape;
  const used = new Uint8Array(dataset.timestamps.length);
  for (const end of ends) used.fill(1, end - length + 1, end + 1);
  const rows = Int32Array.from(used.keys()).filter((row) => used[row] === 1);
  const values = (): Values => {
    const all = createValues(rows.length * channels, pixels);
    rows.forEach((row, i) =>
      all.set(dataset.values.subarray(row * channels, (row + 1) * channels), i * channels),
    );
    return all;
  };
  const conditions = new Float64Array(rows.length * given);
  rows.forEach((row, i) =>
    conditions.set(dataset.conditions.subarray(row * given, (row + 1) * given), i * given),
  );
  return { values, conditions, count: rows.length };
}
