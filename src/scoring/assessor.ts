/**
 * Raw scores of windows, and the interface of assessors: assess.ts for windows and whole images, tiled-assessor.ts for images
 * with tiles.
 */
import type { Box, ImageShape } from '../domain/image';
import type { Scaler } from '../domain/scaler';
import type { WindowBatch, WindowShape } from '../domain/window';
import type { ChannelMap } from './contributions';
import type { WindowEncoder } from './encode';
import type { ScoringEngine } from './engine';

/** Scores of a batch of windows, not calibrated. */
export interface RawScores {
  /** Statistics by name, larger = more anomalous, in nats. Shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** Contribution of each channel to the statistic `reconstruction`. Shape [count, channels]. */
  contributions: Float32Array;
  /** Mean error of each channel over the window, or of each region, scaled. Shape [count, channels]; empty for images with tiles. */
  meanErrors: Float32Array;
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [count, channels]. */
  expected: Float32Array;
  /** Deviations of the newest record from the linear sibling, scaled. Shape [count, channels]; empty for images. */
  deviations: Float32Array;
  /** Contribution of each value of an image to the reconstruction, in nats. Shape [count, values]; empty for windows. */
  deviance: Float32Array;
  /** Mean of p(x|z) for each value of an image, scaled. Shape [count, values]; empty for windows. */
  expectedValues: Float32Array;
  /**
   * Logarithm of how anomalous each cell of features is, tile after tile. Shape [count, cells]; empty unless the spec of the
   * model asks for it.
   */
  oddness: Float32Array;
  /** Number of conditions with a category that training has not seen. */
  unknownConditions: number;
}

/** Reads the deviations of the cells of one image of a batch. Shape [down, across]. */
export type MapReader = (raw: Pick<RawScores, 'deviance' | 'oddness'>, window: number) => Float64Array;

export interface Assessor {
  readonly shape: WindowShape;
  readonly scaler: Scaler;
  readonly channelMap: ChannelMap;
  /** Undefined for windows. */
  readonly image: ImageShape | undefined;
  /** Computes how anomalous the cells of a map are, from the raw scores of an image; undefined for windows. */
  readonly readMap: MapReader | undefined;
  /** Encodes the inputs of the model. */
  readonly encoder: WindowEncoder;
  readonly engine: ScoringEngine;
  /** Tiles that the model reads; undefined if it reads whole images. */
  readonly tiles?: TileReader;
  /** Assesses a batch. Only one batch at a time. */
  assess(batch: WindowBatch): Promise<RawScores>;
}

/** The tiles of the images of a batch. */
export interface TileReader {
  /** The shape of a tile, as an image. */
  readonly image: ImageShape;
  readonly shape: WindowShape;
  /** The tile that contains a box, as a batch of one, which is reused. @returns the batch, and the place of the tile */
  around(batch: WindowBatch, window: number, box: Box): { batch: WindowBatch; tile: Box };
}
