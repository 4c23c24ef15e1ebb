/**
 * A model of the features y of an image x instead of its pixels (cell-features.ts). It contains an inner model of the
 * configured kind: of all cells of an image together, of each cell separately, given its place, or of cells with the image as
 * an upper level.
 *
 *   −log p(y|z,c)     of the inner model; its deviance in cell i is d_i
 *   patch(x) = worst_i d_i                                            (worst-cells.ts)
 *   bank(x)  = distance of the y_i from typical ones, δ_im by map m   (bank.ts)
 *   oddness_i = 1/4 log d_i + 1/2 log δ_i1 + 1/4 log δ_i2              shown in heat maps; δ_i1 by the finer map
 *
 * It reads and returns values of pixels, as a model of pixels does: the nats of a cell are distributed over its pixels.
 */
import { tf } from '../tensor';
import { createBank } from './bank';
import { createCellExamples, innerSpec, ofSomeCells } from './cell-examples';
import { createCellFeatures } from './cell-features';
import type { Assessment, Examples, Model, ModelSpec } from './model';
import { createPixelNats } from './pixel-nats';
import { leastDistance, worst } from './worst-cells';

/**
 * Weights of the logarithms of the nats, and of the distances by the finer and by the coarser map. The finer map shows best where a
 * defect is (docs/quality.md).
 */
const oddnessWeights = { relative: [1 / 4, 1 / 2, 1 / 4], absolute: [1 / 2, 1 / 4, 1 / 4] } as const;

/** @param nats d of cells, and `distances` δ by each map. The shape of each, and of the result, is [batch, cells] */
function oddness(
  nats: tf.Tensor2D,
  distances: readonly tf.Tensor2D[],
  kind: NonNullable<ModelSpec['oddness']>,
): tf.Tensor2D {
  const weights = oddnessWeights[kind === 'relative' ? kind : 'absolute'];
  return [nats, ...distances]
    .map((of, i): tf.Tensor2D => of.maximum(leastDistance).log().mul(weights[i]!))
    .reduce((sum, one) => sum.add(one));
}

/**
 * @param spec of images, with `features`
 * @param createInner creates the inner model, whose weights become those of the result
 * @param together whether a model of cells of one kind reads the cells of an image together
 */
export function onFeatures<Spec extends ModelSpec>(
  spec: Spec,
  createInner: (spec: Spec) => Model,
  together = false,
): Model {
  const features = createCellFeatures(spec);
  const { alike } = features.shape;
  const inner = createInner(innerSpec(spec, features, together));
  const examples = createCellExamples(spec, features, together);
  const { parts } = examples;
  const bank = spec.bank === undefined || spec.bank === 0 ? undefined : createBank(features, spec.bank);
  const nats = createPixelNats(features);
  const codeDim = inner.latentDims.reduce((sum, one) => sum + one, 0);

  const toParts = (images: Examples): Examples => examples.of(images, features.of(images.x));
  /** Concatenates the codes of the parts of an image; `ofParts` does the reverse. */
  const ofImages = (codes: tf.Tensor2D): tf.Tensor2D => tf.reshape(codes, [-1, parts * codeDim]);
  const ofParts = (codes: tf.Tensor2D): tf.Tensor2D => tf.reshape(codes, [-1, codeDim]);
  /** The sum over the parts of an image. Shape [batch · parts] → [batch]. */
  const sumOfParts = (values: tf.Tensor1D): tf.Tensor1D =>
    parts === 1 ? values : tf.sum<tf.Tensor1D>(tf.reshape(values, [-1, parts]), 1);

  /** Images are scored as a whole; only explanations use masks. */
  function assess(images: Examples): Assessment {
    const y = features.of(images.x);
    const distances = bank?.distances(y);
    const assessed = inner.assess(examples.of({ c: images.c }, y));
    const ofCells = nats.ofCells(assessed.deviance);
    const statistics = Object.entries(assessed.statistics).map(([name, of]) => [name, sumOfParts(of)]);
    return {
      statistics: {
        ...(Object.fromEntries(statistics) as Assessment['statistics']),
        patch: worst(ofCells, alike),
        ...(distances && { bank: bank!.farthest(distances) }),
      },
      ...(distances && spec.oddness && { oddness: oddness(ofCells, distances, spec.oddness) }),
      ...nats.onPixels(assessed, images.x),
    };
  }

  // What the model inside solves is not of images.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  const { solve, ...others } = inner;
  return {
    ...others,
    spec,
    weights: new Map([...features.weights, ...(bank?.weights ?? []), ...inner.weights]),
    latentDims: parts === 1 ? inner.latentDims : [parts * codeDim],
    statistics: [...inner.statistics, 'patch', ...(bank === undefined ? [] : ['bank'])],
    phases: inner.phases.map((phase) => ({
      ...phase,
      loss: (images, random, step) => phase.loss(toParts(images), random, step),
    })),
    validationLoss: (images) => inner.validationLoss(toParts(images)),
    activity(images) {
      const activity = inner.activity(toParts(images));
      return parts === 1 ? activity : [tf.tile(tf.concat([...activity]), [parts])];
    },
    encode: (images) => ofImages(inner.encode(toParts(images))),
    assess,
    negativeLogJoint(code, images) {
      const of = inner.negativeLogJoint(ofParts(code), toParts(images));
      return {
        ...nats.onPixels(of, images.x),
        negativeLogPrior: ofImages(of.negativeLogPrior),
        priorDeviance: ofImages(of.priorDeviance),
      };
    },
    generate() {
      throw new Error('a model of features cannot draw images: model.features must be pixels');
    },
    ...(features.frozen.size > 0 && { frozen: features.frozen }),
    prepare(windows, images, random) {
      const known = features.learn(windows, images);
      bank?.learn(known, random);
    },
    inside:
      alike && together
        ? ofSomeCells(inner, features, examples.read)
        : { model: inner, parts, read: examples.read },
  };
}
