/** Raw scores of windows, and what computes them: of windows and whole images assess.ts, of images with tiles tiled-assessor.ts. */
import type { Box, ImageShape } from '../domain/image';
import type { Scaler } from '../domain/scaler';
import type { WindowBatch, WindowShape } from '../domain/window';
import type { ChannelMap } from './contributions';
import type { WindowEncoder } from './encode';
import type { ScoringEngine } from './engine';

/** Scores of a batch of windows, not calibrated. */
export interface RawScores {
  /** By name, larger = more anomalous, in nats. Shape [count]. */
  statistics: Readonly<Record<string, ArrayLike<number>>>;
  /** What each channel adds to the reconstruction statistic. Shape [count, channels]. */
  contributions: Float32Array;
  /** Mean error of each channel over the window, or of each region, scaled. Shape [count, channels]; empty for images with tiles. */
  meanErrors: Float32Array;
  /** Mean of p(x|z) for the newest record, or over a region of an image, scaled. Shape [count, channels]. */
  expected: Float32Array;
  /** Deviations of the newest record from the linear sibling, scaled. Shape [count, channels]; empty for images. */
  deviations: Float32Array;
  /** What each value of an image adds to the reconstruction, in nats. Shape [count, values]; empty for windows. */
  deviance: Float32Array;
  /** Mean of p(x|z) for each value of an image, scaled. Shape [count, values]; empty for windows. */
  expectedValues: Float32Array;
  /**
   * How odd each cell of features is, a logarithm; tile after tile. Shape [count, cells]; empty unless the spec of the model asks
   * for it.
   */
  oddness: Float32Array;
  /** Categories that training has not seen. */
  unknownConditions: number;
}

/** Reads the map of one image of a batch. Shape [down, across]. */
export type MapReader = (raw: Pick<RawScores, 'deviance' | 'oddness'>, window: number) => Float64Array;

export interface Assessor {
  readonly shape: WindowShape;
  readonly scaler: Scaler;
  readonly channelMap: ChannelMap;
  /** Undefined for windows. */
  readonly image: ImageShape | undefined;
  /** How odd the cells of a map are, from the raw scores of an image; undefined for windows. */
  readonly readMap: MapReader | undefined;
  /** Encodes what the model reads. */
  readonly encoder: WindowEncoder;
  readonly engine: ScoringEngine;
  /** What the model reads instead of whole images; undefined if it reads these. */
  readonly tiles?: TileReader;
  /** One batch at a time. */
  assess(batch: WindowBatch): Promise<RawScores>;
}

/** The tiles of the images of a batch. */
export interface TileReader {
  /** The shape of a tile, as an image. */
  readonly image: ImageShape;
  readonly shape: WindowShape;
  /** The tile that a box lies in, alone in a batch of its own, which is reused. @returns where it lies */
  around(batch: WindowBatch, window: number, box: Box): { batch: WindowBatch; tile: Box };
}
