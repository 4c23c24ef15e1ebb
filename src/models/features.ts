/** Features that a model of images can read instead of pixels: vectors at the cells of a grid. */
import type { tf } from '../tensor';
import { backboneChannels, backboneFeatures, backboneGrid, backboneMaps, createBackbone } from './backbone';
import { gradientChannels, gradientGrid, gradientsOf } from './gradients';
import type { GridShape } from './grid';
import type { Features, ModelSpec } from './model';
import type { Weights } from './network';
import type { SharedOptions } from './options';

/** The features of a cell that come from one map. */
export interface FeatureMap {
  /** Index of the first feature. */
  from: number;
  size: number;
}

export interface FeatureStage {
  /** The cells. */
  readonly grid: GridShape;
  /** Features of a cell. */
  readonly channels: number;
  /** The maps whose features are concatenated in a cell. */
  readonly maps: readonly FeatureMap[];
  /** Frozen weights; no loss changes them. */
  readonly weights: Weights;
  /** Pixels in [0, 1], shape [batch, height · width · colours] → [batch, down · across · channels]. */
  apply(x: tf.Tensor2D): tf.Tensor2D;
}

export function hasFeatures({ features = 'pixels' }: Pick<ModelSpec, 'features'>): boolean {
  return features !== 'pixels';
}

/** If a side has fewer pixels, the backbone has less than 8 × 8 cells, whose neighbourhoods cover most of the image. */
const leastSide = 64;

/** @param size of the images; absent for windows */
export function chooseFeatures(
  features: SharedOptions['features'],
  size: Pick<GridShape, 'height' | 'width'> | undefined,
): Features {
  if (features !== 'auto') return features;
  if (size === undefined) return 'pixels';
  return Math.min(size.height, size.width) < leastSide ? 'gradients' : 'backbone';
}

/**
 * Options of a model of features. Stored in the version.
 * @param images number of images to learn from; with as many typical vectors as images, these would be the images themselves
 */
export function featureOptions(
  features: ModelSpec['features'],
  images: number,
): Pick<ModelSpec, 'patches' | 'bank' | 'oddness'> {
  if (features === 'backbone')
    return { patches: true, bank: Math.min(2000, 16 * images), oddness: 'relative' };
  return features === 'gradients' ? { bank: Math.min(500, Math.ceil(images / 2)) } : {};
}

/** @param spec of images, with features */
export function createFeatures({ features, length, width, channels: colours }: ModelSpec): FeatureStage {
  const size = { height: length / width, width };
  if (features === 'backbone') {
    const [grid, backbone] = [backboneGrid(size), createBackbone()];
    return {
      grid,
      channels: backboneChannels,
      maps: backboneMaps,
      weights: backbone.weights,
      apply: (x) => backboneFeatures(backbone, x, grid, colours),
    };
  }
  const grid = gradientGrid(size);
  const channels = gradientChannels(colours);
  return {
    grid,
    channels,
    maps: [{ from: 0, size: channels }],
    weights: new Map(),
    apply: (x) => gradientsOf(x, grid, colours),
  };
}
