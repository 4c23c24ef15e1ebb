/**
 * What is wrong with a window: the nearest normal one beside it. A broken sensor moves the code, and with it what the model
 * expects of every other sensor. So each of the oddest channels is left out in turn; where the others then fit together
 * best, that was the one that is broken; and again, until what is left looks normal.
 */
import type { LatentDeviation } from '../domain/detection';
import type { Values } from '../domain/record';
import { createWindowBatch, type WindowBatch, type WindowShape } from '../domain/window';
import type { Examples, Model } from '../models/model';
import { findLikeliestCodes } from '../models/nearest-normal';
import { scoped, tf } from '../tensor';
import type { Contributions } from './contributions';
import { toExamples, type WindowEncoder } from './encode';

/** The nearest normal of a window, in scaled values. */
export interface NearestWindow {
  /** Channels that do not fit the others, in the order in which they were left out. */
  leftOut: readonly number[];
  /** What each channel adds to the reconstruction, given the nearest normal, in nats. Shape [channels]. */
  parts: Float64Array;
  /** Of the newest record. Shape [channels]. */
  expected: Float64Array;
  /** All latent dimensions, the upper level first. */
  latent: readonly LatentValue[];
}

/** One latent dimension of a window. */
export interface LatentValue {
  /** As scored: of the posterior mean. */
  value: number;
  /** Of the nearest normal. */
  expected: number;
  /** How much rarer the value is than the likeliest one, in nats. */
  nats: number;
}

export interface ExplainerParts {
  model: Model;
  encoder: WindowEncoder;
  shape: WindowShape;
  contributions: Contributions;
  /** What each channel adds to the reconstruction in normal times, in nats. Shape [channels]. */
  typicalParts: readonly number[];
  /** Whether a channel that adds so much is unusual. */
  isOdd: (part: number, channel: number) => boolean;
}

/** Channels that are tried at once: bounds the cost where there are many. */
const maxCandidates = 8;

/** Channels that are left out at most. Beyond that nothing is broken: the machine does something new. */
const maxLeftOut = 4;

/** Leaving a channel out must explain the others by so many nats better, or chance would do. */
const minGain = 3;

/** Repeatable: the same window has the same explanation. */
export function createExplainer({
  model,
  encoder,
  shape,
  contributions,
  typicalParts,
  isOdd,
}: ExplainerParts): (batch: WindowBatch, window: number) => NearestWindow {
  const channels = typicalParts.length;
  const one = createWindowBatch(shape, 1);
  const buffers = encoder.createBuffers(1);

  /** x and mask without some channels; where they are, x is what the nearest normal so far has. One row for each list. */
  function without(
    lists: readonly (readonly number[])[],
    examples: Examples,
    filling: tf.Tensor2D,
  ): Examples {
    const kept = lists.flatMap((left) =>
      Array.from({ length: encoder.dim }, (_, i) => (left.includes(contributions.channelOf(i)) ? 0 : 1)),
    );
    const keep = tf.tensor2d(kept, [lists.length, encoder.dim]);
    const tile = (rows: tf.Tensor2D): tf.Tensor2D => tf.tile(rows, [lists.length, 1]);
    return {
      x: tf.where(tf.cast(keep, 'bool'), tile(examples.x), tile(filling)),
      mask: tf.mul(tile(examples.mask), keep),
      c: examples.c === undefined ? undefined : tile(examples.c),
    };
  }

  /** What each channel adds at a code, and what every value of the window should then have been, [1, dim]. */
  function look(code: tf.Tensor2D, examples: Examples): { parts: Float64Array; filling: tf.Tensor2D } {
    const { deviance, expected } = model.negativeLogJoint(code, examples);
    return { parts: Float64Array.from(contributions.sum(deviance).dataSync()), filling: expected };
  }

  return (batch, window) => {
    copyWindow(batch, window, shape, one);
    encoder.encode(one, buffers);
    return scoped(() => {
      const examples = toExamples(encoder, buffers, 0, 1);
      const scored = model.encode(examples);
      let { parts, filling } = look(scored, examples);
      const leftOut: number[] = [];
      let code: Float32Array | undefined;
      while (code === undefined || leftOut.length < Math.min(maxLeftOut, channels - 1)) {
        const others = Array.from(typicalParts.keys()).filter((j) => !leftOut.includes(j));
        const excess = (j: number): number => parts[j]! - typicalParts[j]!;
        const candidates = others.some((j) => isOdd(parts[j]!, j))
          ? others.sort((a, b) => excess(b) - excess(a)).slice(0, maxCandidates)
          : [];
        if (candidates.length === 0 && code !== undefined) break;
        // The first row leaves out no more than was left out before.
        const tries = [leftOut, ...candidates.map((j) => [...leftOut, j])];
        const { codes, costs } = findLikeliestCodes(model, without(tries, examples, filling));
        // A channel adds something in normal times, too, which is no reason to leave it out.
        const costOf = (i: number): number =>
          costs[i]! + (i === 0 ? 0 : minGain + typicalParts[candidates[i - 1]!]!);
        const best = tries.reduce((least, _, i) => (costOf(i) < costOf(least) ? i : least), 0);
        const dim = codes.length / tries.length;
        code = codes.slice(best * dim, (best + 1) * dim);
        ({ parts, filling } = look(tf.tensor2d(code, [1, dim]), examples));
        if (best === 0) break;
        leftOut.push(candidates[best - 1]!);
      }
      const values = scored.dataSync();
      const nats = model.negativeLogJoint(scored, examples).priorDeviance.dataSync();
      return {
        leftOut,
        parts,
        expected: Float64Array.from(contributions.represent(filling).dataSync()),
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
}

/** Latent dimensions that are named. */
const namedDimensions = 3;

/**
 * The dimensions that are off the most, the worst first.
 * @param dims of each level
 */
export function offDimensions(latent: readonly LatentValue[], dims: readonly number[]): LatentDeviation[] {
  return dims
    .flatMap((dim, l) => Array.from({ length: dim }, (_, i) => ({ level: l + 1, dimension: i + 1 })))
    .map((place, i) => ({ ...place, ...latent[i]! }))
    .sort((a, b) => b.nats - a.nats)
    .slice(0, namedDimensions);
}
