/** Explains the scores of a batch: the channels or regions that are unusual, and the nearest normal. */
import type { Contribution, NearestNormal } from '../domain/detection';
import type { Values } from '../domain/record';
import type { WindowBatch } from '../domain/window';
import type { OddImage } from '../domain/witnessed-record';
import type { Model } from '../models/model';
import type { Assessor, RawScores } from './assessor';
import type { ChannelStatistic } from './channels';
import { createExplainer, createImageExplainer, offDimensions, type NearestImage } from './explain';
import { paintHeat } from './heat-map';
import { describeRegions, isInside, within, type ImageValues } from './odd-regions';
import { createOddness, type Heat, type OddnessMap, type OddRegion } from './oddness';
import { createRanking } from './ranking';
import type { VersionState } from './version-state';

/** One window compared with its nearest normal. */
export interface Explanation {
  /** Contributions; they sum to `nearestNormal.reconstruction`. */
  contributions: Contribution[];
  nearestNormal: NearestNormal;
}

/** The functions need complete windows (`completeWindow`). */
export interface Explanations {
  /** The contribution of each channel of one window, the most unusual first; for an image, that of its odd regions. */
  contributions(batch: WindowBatch, raw: RawScores, window: number): Contribution[];
  /** Explains one window. Takes milliseconds. Repeatable. */
  explain(batch: WindowBatch, raw: RawScores, window: number): Explanation;
}

export interface ImageExplanations extends Explanations {
  /** Keeps the data needed to draw where an image is odd, even after the batch has changed. */
  keepImage(batch: WindowBatch, raw: RawScores, window: number): OddImage;
  heatOf(raw: RawScores, window: number): Heat;
}

/** Surprise above which a channel looks odd, as in one normal record of a hundred. */
const oddSurprise = 2;

export function createChannelExplanations(
  state: VersionState,
  model: Model,
  assessor: Assessor,
  channel: ChannelStatistic,
): Explanations {
  const { shape, encoder, channelMap } = assessor;
  const channelCount = state.channels.length;
  const rank = createRanking(state, assessor, channel);
  const findNearestNormal = createExplainer({
    model,
    encoder,
    shape,
    channelMap,
    typicalContributions: state.channelCalibrations.map(({ scores }) => scores[scores.length >> 1]!),
    isOdd: (contribution, j) => channel.surpriseOf(contribution, j) > oddSurprise,
  });
  const ofWindow = (values: Float32Array, window: number): Float32Array =>
    values.subarray(window * channelCount, (window + 1) * channelCount);

  return {
    contributions: (batch, raw, window) =>
      rank(batch, window, ofWindow(raw.contributions, window), ofWindow(raw.expected, window)),
    explain(batch, _, window) {
      const nearest = findNearestNormal(batch, window);
      return {
        contributions: rank(batch, window, nearest.contributions, nearest.expected),
        nearestNormal: {
          reconstruction: nearest.contributions.reduce((sum, contribution) => sum + contribution, 0),
          leftOut: nearest.leftOut.map((j) => state.channels[j]!),
          latent: offDimensions(nearest.latent, model.latentDims),
        },
      };
    },
  };
}

export function createImageExplanations(
  { image, oddness: oddnessState }: VersionState & Required<Pick<VersionState, 'image'>>,
  model: Model,
  { shape, scaler, encoder, readMap, tiles }: Assessor,
): ImageExplanations {
  const oddness = createOddness(image, oddnessState);
  const findNearest = createImageExplainer({ model, encoder, shape: tiles?.shape ?? shape });
  const valuesPerWindow = shape.length * shape.channels;

  const valuesOf = <T extends Values | Float32Array>(values: T, window: number): T =>
    values.subarray(window * valuesPerWindow, (window + 1) * valuesPerWindow) as T;

  const mapOf = (raw: RawScores, window: number): OddnessMap => oddness.map(readMap!(raw, window));

  const regionsOf = (raw: RawScores, window: number): OddRegion[] => oddness.regions(mapOf(raw, window));

  const asScored = (batch: WindowBatch, raw: RawScores, window: number): ImageValues => ({
    actual: valuesOf(batch.values, window),
    expected: valuesOf(raw.expectedValues, window),
    deviance: valuesOf(raw.deviance, window),
  });

  /** The nearest normal of an image, or of the tile that contains its oddest region. */
  function nearestOf(batch: WindowBatch, window: number, regions: readonly OddRegion[]): NearestImage {
    if (tiles === undefined) return findNearest(batch, window, isInside(regions, image));
    const { batch: single, tile } = tiles.around(batch, window, regions[0]!.box);
    return findNearest(single, 0, isInside(within(regions, tile), tiles.image));
  }

  return {
    contributions: (batch, raw, window) =>
      describeRegions(regionsOf(raw, window), image, asScored(batch, raw, window), scaler),
    explain(batch, raw, window) {
      const regions = regionsOf(raw, window);
      const { latent, ...nearest } = nearestOf(batch, window, regions);
      const scored = asScored(batch, raw, window);
      // For an image with tiles, only one tile is compared with its nearest normal; the regions are described as they were
      // scored.
      const values = tiles === undefined ? { ...scored, ...nearest } : scored;
      const contributions = describeRegions(regions, image, values, scaler);
      return {
        contributions,
        nearestNormal: {
          reconstruction: nearest.deviance.reduce((sum, nats) => sum + nats, 0),
          leftOut: contributions.map(({ channel }) => channel),
          latent: offDimensions(latent, model.latentDims),
        },
      };
    },
    keepImage(batch, raw, window) {
      const bytes = valuesOf(batch.values, window).slice();
      const map = mapOf(raw, window);
      return () => paintHeat(bytes, image, oddness.heat(map));
    },
    heatOf: (raw, window) => oddness.heat(mapOf(raw, window)),
  };
}
