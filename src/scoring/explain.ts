/**
 * Explains an unusual window by its nearest normal. A broken sensor changes the code, and so the expected values of all other
 * sensors. So each of the oddest channels is left out in turn. The broken one is that without which the others fit together
 * best. This is repeated until the remaining channels look normal.
 */
import type { LatentDeviation } from '../domain/detection';
import type { Values } from '../domain/record';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../domain/window';
import type { Examples, Model } from '../models/model';
import { findLikeliestCodes } from '../models/nearest-normal';
import { scoped, tf } from '../tensor';
import type { ChannelMap } from './contributions';
import { toExamples, type WindowEncoder } from './encode';

/** The nearest normal window, in scaled values. */
export interface NearestWindow {
  /** Channels that do not fit the others, in the order in which they were left out. */
  leftOut: readonly number[];
  /** Contribution of each channel to the reconstruction at the nearest normal, in nats. Shape [channels]. */
  contributions: Float64Array;
  /** Expected value of the newest record, or mean expected value over a region. Shape [channels]. */
  expected: Float64Array;
  /** All latent dimensions, the upper level first. */
  latent: readonly LatentValue[];
}

/** One latent dimension of a window. */
export interface LatentValue {
  /** The posterior mean, by which the window was scored. */
  value: number;
  /** Value at the nearest normal. */
  expected: number;
  /** −log p of the value minus that of the likeliest one, in nats. */
  nats: number;
}

export interface ExplainerParts {
  model: Model;
  encoder: WindowEncoder;
  shape: WindowShape;
  channelMap: ChannelMap;
  /** Contribution of each channel to the reconstruction of a normal window, in nats. Shape [channels]. */
  typicalContributions: readonly number[];
  /** Whether this contribution of a channel is unusual. */
  isOdd: (contribution: number, channel: number) => boolean;
}

/** Largest number of channels that are tried in one search: bounds its cost. */
const maxCandidates = 8;

/**
 * Maximum number of channels to leave out. If more channels do not fit, no single sensor is broken: the machine does something
 * new.
 */
const maxLeftOut = 4;

/** Least decrease of the cost of the others when a channel is left out, in nats; chance yields less. */
const minGain = 3;

/** Repeatable: the same window always has the same explanation. */
export function createExplainer(
  parts: ExplainerParts,
): (batch: WindowBatch, window: number) => NearestWindow {
  const { model, encoder, shape, channelMap, typicalContributions: typical, isOdd } = parts;
  const one = createWindowBatch(shape, 1);
  const buffers = encoder.createBuffers(1);
  const maxLeaveOut = Math.min(maxLeftOut, typical.length - 1);

  /**
   * Copies of the window, one per list, without the channels of that list: they are masked, and x has `filling` in their place.
   */
  function without(
    lists: readonly (readonly number[])[],
    examples: Examples,
    filling: tf.Tensor2D,
  ): Examples {
    const kept = lists.flatMap((left) =>
      Array.from({ length: encoder.dim }, (_, i) => (left.includes(i % channelMap.channels) ? 0 : 1)),
    );
    const keep = tf.tensor2d(kept, [lists.length, encoder.dim]);
    const tile = (rows: tf.Tensor2D): tf.Tensor2D => tf.tile(rows, [lists.length, 1]);
    return {
      x: tf.where(tf.cast(keep, 'bool'), tile(examples.x), tile(filling)),
      mask: tile(examples.mask).mul(keep),
      c: examples.c === undefined ? undefined : tile(examples.c),
    };
  }

  /** The contributions at a code, and the expected values of the whole window, [1, dim]. */
  function lookAt(
    code: tf.Tensor2D,
    examples: Examples,
  ): { contributions: Float64Array; filling: tf.Tensor2D } {
    const { deviance, expected } = model.negativeLogJoint(code, examples);
    return { contributions: Float64Array.from(channelMap.sum(deviance).dataSync()), filling: expected };
  }

  /**
   * Candidates to leave out next, those furthest above their typical contribution first; empty if all channels look normal.
   */
  function candidatesAmong(contributions: Float64Array, leftOut: readonly number[]): number[] {
    const others = Array.from(typical.keys()).filter((j) => !leftOut.includes(j));
    if (!others.some((j) => isOdd(contributions[j]!, j))) return [];
    const excess = (j: number): number => contributions[j]! - typical[j]!;
    return others.sort((a, b) => excess(b) - excess(a)).slice(0, maxCandidates);
  }

  /** The likeliest code without `leftOut` and, if that gains enough, without one of the candidates. */
  function search(
    examples: Examples,
    filling: tf.Tensor2D,
    leftOut: readonly number[],
    candidates: readonly number[],
  ): { code: Float32Array; broken: number | undefined } {
    // The first row leaves out no further channel.
    const tries = [leftOut, ...candidates.map((j) => [...leftOut, j])];
    const { codes, costs } = findLikeliestCodes(model, without(tries, examples, filling));
    // A channel has its typical contribution in normal times as well, which is no reason to leave it out.
    const costOf = (i: number): number => costs[i]! + (i === 0 ? 0 : minGain + typical[candidates[i - 1]!]!);
    const best = tries.reduce((least, _, i) => (costOf(i) < costOf(least) ? i : least), 0);
    const dim = codes.length / tries.length;
    return { code: codes.slice(best * dim, (best + 1) * dim), broken: candidates[best - 1] };
  }

  return (batch, window) => {
    copyWindow(batch, window, shape, one);
    encoder.encode(one, buffers);
    encoder.shift(one, buffers);
    return scoped(() => {
      const examples = toExamples(encoder, buffers, 0, 1);
      const scored = model.encode(examples);
      let { contributions, filling } = lookAt(scored, examples);
      const leftOut: number[] = [];
      let code: Float32Array | undefined;
      while (code === undefined || leftOut.length < maxLeaveOut) {
        const candidates = candidatesAmong(contributions, leftOut);
        if (candidates.length === 0 && code !== undefined) break;
        const found = search(examples, filling, leftOut, candidates);
        code = found.code;
        ({ contributions, filling } = lookAt(tf.tensor2d(code, [1, code.length]), examples));
        if (found.broken === undefined) break;
        leftOut.push(found.broken);
      }
      const values = scored.dataSync();
      const nats = model.negativeLogJoint(scored, examples).priorDeviance.dataSync();
      return {
        leftOut,
        contributions,
        expected: Float64Array.from(channelMap.represent(filling).dataSync()),
        latent: Array.from(values, (value, i) => ({ value, expected: code[i]!, nats: nats[i]! })),
      };
    });
  };
}

function copyWindow(from: WindowBatch, window: number, shape: WindowShape, to: WindowBatch): void {
  const part = (column: Values, width: number): Values =>
    column.subarray(window * shape.length * width, (window + 1) * shape.length * width);
  to.values.set(part(from.values, shape.channels));
  to.conditions.set(part(from.conditions, shape.conditions));
  to.timestamps.set(part(from.timestamps, 1));
  to.count = 1;
  to.keys[0] = from.keys[window]!;
  to.recalled.shifted = from.recalled.shifted;
  to.recalled.shifts = from.recalled.shifts.slice(window * shape.channels, (window + 1) * shape.channels);
}

/** The nearest normal of an image, and the contributions of its values to the reconstruction there. */
export interface NearestImage extends Pick<NearestWindow, 'latent'> {
  /** Deviance of each value, in nats. Shape [values]. */
  deviance: Float32Array;
  /** Expected values, scaled. Shape [values]. */
  expected: Float32Array;
}

/** Repeatable. The odd regions are left out, so that the rest of the image determines the values expected there. */
export function createImageExplainer({
  model,
  encoder,
  shape,
}: Pick<ExplainerParts, 'model' | 'encoder' | 'shape'>) {
  const one = createWindowBatch(shape, 1);
  const buffers = encoder.createBuffers(1);

  /** @param isLeftOut whether a value is left out, by its index */
  return (batch: WindowBatch, window: number, isLeftOut: (value: number) => boolean): NearestImage => {
    copyWindow(batch, window, shape, one);
    encoder.encode(one, buffers);
    return scoped(() => {
      const examples = toExamples(encoder, buffers, 0, 1);
      const scored = model.encode(examples);
      const kept = Float32Array.from({ length: encoder.dim }, (_, i) => (isLeftOut(i) ? 0 : 1));
      const { codes } = findLikeliestCodes(model, { ...examples, mask: tf.tensor2d(kept, [1, encoder.dim]) });
      const { deviance, expected } = model.negativeLogJoint(tf.tensor2d(codes, [1, codes.length]), examples);
      const values = scored.dataSync();
      const nats = model.negativeLogJoint(scored, examples).priorDeviance.dataSync();
      return {
        deviance: deviance.dataSync<'float32'>().slice(),
        expected: expected.dataSync<'float32'>().slice(),
        latent: Array.from(values, (value, i) => ({ value, expected: codes[i]!, nats: nats[i]! })),
      };
    });
  };
}

/** Maximum number of latent dimensions in an explanation. */
const namedDimensions = 3;

/**
 * The dimensions that are furthest from the likeliest code, the worst first.
 * @param dims of each level, the uppermost first
 */
export function offDimensions(latent: readonly LatentValue[], dims: readonly number[]): LatentDeviation[] {
  return dims
    .flatMap((dim, l) => Array.from({ length: dim }, (_, i) => ({ level: l + 1, dimension: i + 1 })))
    .map((place, i) => ({ ...place, ...latent[i]! }))
    .sort((a, b) => b.nats - a.nats)
    .slice(0, namedDimensions);
}
