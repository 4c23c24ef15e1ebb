/**
 * A model of the features of an image instead of its pixels. It reads and returns values of pixels, as a model of pixels does:
 * features are computed first, and the nats of a cell are distributed over its pixels. What it has inside is a model of the kind
 * that is configured: of all cells of an image together, of each cell by itself, given its place, or of cells below and the image above.
 */
import { createRandom, matMul, scoped, tf, type Random } from '../tensor';
import { createFeatures, type FeatureMap, type FeatureStage } from './features';
import { createGrid } from './grid';
import { placeDim, withCells } from './image-hvae';
import type { Assessment, Examples, Model, ModelSpec, NegativeLogJoint, WindowArrays } from './model';
import { createVariable, sideBySide, type Weights } from './network';
import { findCoreset, findTypical } from './typical';

/** Examples of the model inside, and of how many cells each is. */
interface Parts {
  /** In an image. */
  count: number;
  cells: number;
}

/** The spec of the model inside. The places of cells that are examples of one kind are conditions. */
function innerSpec<Spec extends ModelSpec>(
  spec: Spec,
  { grid, channels }: FeatureStage,
  { count, cells }: Parts,
): Spec {
  const own = {
    ...spec,
    features: 'pixels' as const,
    channels,
    length: cells,
    width: count === 1 ? grid.across : 1,
  };
  return spec.patches === true ? { ...own, conditionDim: spec.conditionDim + cells * placeDim } : own;
}

/** Cells of an image that an example to learn from has, of a model that reads all of them together: bounds memory. */
const mostCellsToLearn = 64;

/** Values of images whose features are computed at once: bounds memory. */
const valuesAtOnce = 100_000;
const rowsAtOnce = (dim: number): number => Math.max(1, Math.floor(valuesAtOnce / dim));

/** A feature that hardly varies in training has this share of the mean variance. */
const leastShare = 0.01;
/** Distances below it count as it: their logarithm is finite. */
const leastDistance = 1e-6;

/** Of identical images features vary by rounding alone. */
const leastVariance = 1e-6;

/**
 * @param spec of images, with `features`
 * @param createInner creates the model inside; its weights become those of the result
 * @param together whether a model of cells of one kind reads those of an image together
 */
export function onFeatures<Spec extends ModelSpec>(
  spec: Spec,
  createInner: (spec: Spec) => Model,
  together = false,
): Model {
  const stage = createFeatures(spec);
  const { grid, channels } = stage;
  const colours = spec.channels;
  const pixels = spec.length;
  const dim = pixels * colours;
  const cells = grid.down * grid.across;
  const values = cells * channels;
  /** Whether cells are of one kind: they have one scale for each feature, and one bank. */
  const alike = spec.patches === true;
  const vectors = alike ? cells : 1;
  const vectorDim = values / vectors;
  const parts = alike && !together ? cells : 1;
  const inner = createInner(innerSpec(spec, stage, { count: parts, cells: cells / parts }));
  const codeDim = inner.latentDims.reduce((sum, one) => sum + one, 0);
  const { bank = 0 } = spec;

  const each = (size: number, value: number): tf.Variable => createVariable(() => tf.fill([size], value));
  /** Learned from the training images in one pass. */
  const learned = {
    centre: each(vectorDim, 0),
    scale: each(vectorDim, 1),
    /** The mean image. */
    mean: each(dim, 0),
  };
  /** Typical cells, or images. Shape [vectorDim, bank]. */
  const typical = bank > 0 ? createVariable(() => tf.zeros([vectorDim, bank])) : undefined;
  const weights: Weights = new Map([
    ...[...stage.weights].map(([name, variable]) => [`backbone/${name}`, variable] as const),
    ...Object.entries(learned).map(([name, variable]) => [`features/${name}/bias`, variable] as const),
    ...(typical === undefined ? [] : [['features/typical/kernel', typical] as const]),
    ...inner.weights,
  ]);

  /** Standardised. Shape [batch · vectors, vectorDim]. */
  const featuresOf = (x: tf.Tensor2D): tf.Tensor2D =>
    tf.reshape<tf.Rank.R2>(stage.apply(x), [-1, vectorDim]).sub(learned.centre).div(learned.scale);
  /** Of single cells or of images, as the model inside reads them. */
  const toExamples = (x: tf.Tensor2D): tf.Tensor2D =>
    vectors === parts ? x : tf.reshape(x, [-1, values / parts]);

  /** A cell with a masked pixel is masked. */
  function maskOf(mask: tf.Tensor2D): tf.Tensor2D {
    const seen = tf.min(tf.reshape(mask, [-1, pixels, colours]), 2);
    const images = tf.reshape<tf.Rank.R4>(seen, [-1, 1, grid.height, grid.width]);
    const whole = tf.greater<tf.Tensor4D>(createGrid(grid).mean(images), 0.999);
    const ofCells = tf.reshape(tf.cast(whole, 'float32'), [-1, cells, 1]);
    return tf.reshape(tf.tile(ofCells, [1, 1, channels]), [-1, values / parts]);
  }

  /** The conditions of each part: those of its image, and the places of its cells. */
  function conditionsOf(c: tf.Tensor2D | undefined, features: tf.Tensor2D): tf.Tensor2D | undefined {
    if (!alike) return c;
    const repeated =
      parts === 1 || c === undefined
        ? c
        : tf.reshape<tf.Rank.R2>(tf.tile(tf.expandDims(c, 1), [1, parts, 1]), [-1, spec.conditionDim]);
    // Zeros of the batch's size, to which the places are added.
    const zeros = tf.slice(features, [0, 0], [-1, placeDim]).mul(0);
    const ofAll = tf.reshape(zeros, [-1, cells, placeDim]).add(tf.reshape(places(), [1, cells, placeDim]));
    return sideBySide(repeated, tf.reshape(ofAll, [-1, (cells / parts) * placeDim]));
  }

  /** From −1 to 1. Shape [cells, placeDim]. */
  function places(): tf.Tensor2D {
    const along = (at: number, count: number): number => (2 * (at + 0.5)) / count - 1;
    const rows = Array.from({ length: cells }, (_, i) => [
      along(i % grid.across, grid.across),
      along(Math.floor(i / grid.across), grid.down),
    ]);
    return tf.tensor2d(rows, [cells, placeDim]);
  }

  function toParts({ x, mask, c }: Examples): Examples {
    const features = featuresOf(x);
    return { x: toExamples(features), mask: maskOf(mask), c: conditionsOf(c, features) };
  }

  /** Of each feature to each cell. Shape [batch · parts, values of a part] → [batch, cells]. */
  const ofCells = (perValue: tf.Tensor2D): tf.Tensor2D =>
    tf.sum<tf.Tensor2D>(tf.reshape(perValue, [-1, cells, channels]), 2);

  /** Of each feature to each value of the image; keeps the sum. */
  function toPixels(perValue: tf.Tensor2D): tf.Tensor2D {
    const ofPixels = createGrid(grid).spread(ofCells(perValue));
    if (colours === 1) return ofPixels;
    return tf.reshape(tf.tile(tf.reshape(ofPixels.div(colours), [-1, pixels, 1]), [1, 1, colours]), [
      -1,
      dim,
    ]);
  }

  /** Features have no pixels: the mean image stands for the expected ones. */
  const valuesOnPixels = (
    of: Pick<NegativeLogJoint, 'distortion' | 'deviance'>,
    x: tf.Tensor2D,
  ): Pick<NegativeLogJoint, 'distortion' | 'deviance' | 'expected'> => ({
    distortion: toPixels(of.distortion),
    deviance: toPixels(of.deviance),
    expected: x.mul(0).add(learned.mean),
  });

  /** Features of each map in a vector: where they begin, and how many. Maps have banks of their own. */
  const maps = alike ? stage.maps : [{ from: 0, size: vectorDim }];

  /**
   * By the features of one map, the squared distance of each cell or image to the nearest typical one, by the number of features.
   * Shape [batch, vectors].
   */
  function distances(features: tf.Tensor2D, { from, size }: FeatureMap): tf.Tensor2D {
    const whole = typical as unknown as tf.Tensor2D;
    const bankOf: tf.Tensor2D = size === vectorDim ? whole : tf.slice(whole, [from, 0], [size, bank]);
    const own: tf.Tensor2D = size === vectorDim ? features : tf.slice(features, [0, from], [-1, size]);
    const squares = tf.sum<tf.Tensor2D>(bankOf.square(), 0, true);
    const least = tf.min<tf.Tensor1D>(squares.sub(matMul(own, bankOf).mul(2)), 1);
    const squared = tf.sum<tf.Tensor1D>(own.square(), 1).add(least).relu();
    return tf.reshape(squared.div(size), [-1, vectors]);
  }

  /**
   * Of cells of an object the worst one. Of those of a surface the mean of their eighth powers, to which the worst few
   * contribute most: a defect is seldom in one cell alone, and the worst of many normal cells varies.
   */
  function worst(ofEach: tf.Tensor2D): tf.Tensor1D {
    const most = tf.max<tf.Tensor1D>(ofEach, 1);
    if (!alike) return most;
    // Divided by the largest one first: eighth powers overflow.
    const scale = most.maximum(leastDistance);
    const shares: tf.Tensor2D = ofEach.div(tf.expandDims(scale, 1));
    // A sum, not a mean, whose last bits would depend on the place of the image in its batch (onnx/operators.ts).
    const sum = tf.sum<tf.Tensor1D>(shares.square().square().square(), 1);
    return sum.div(cells).sqrt().sqrt().sqrt().mul(scale);
  }

  /** The geometric mean over the maps: what one map sees is not outvoted by what varies more in another one. */
  function farthest(features: tf.Tensor2D): tf.Tensor1D {
    const logarithms = maps.map((map) => worst(distances(features, map)).maximum(leastDistance).log());
    return tf.exp(logarithms.reduce((sum, one) => sum.add(one)).div(maps.length));
  }

  /** Images are scored whole; masks are those of explanations. */
  function assess(examples: Examples): Assessment {
    const features = featuresOf(examples.x);
    const x = toExamples(features);
    const assessed = inner.assess({ x, mask: x.mul(0).add(1), c: conditionsOf(examples.c, features) });
    const statistics = Object.entries(assessed.statistics).map(([name, values]) => [
      name,
      parts === 1 ? values : tf.sum<tf.Tensor1D>(tf.reshape(values, [-1, parts]), 1),
    ]);
    return {
      statistics: {
        ...(Object.fromEntries(statistics) as Assessment['statistics']),
        patch: worst(ofCells(assessed.deviance)),
        ...(typical && { bank: farthest(features) }),
      },
      ...valuesOnPixels(assessed, examples.x),
    };
  }

  /**
   * Of the cells of an image together one scale: what hardly varies at one place stays small. Of cells by themselves one for each
   * feature, whose units differ.
   */
  function scalesOf(variances: Float64Array): Float64Array {
    const whole = variances.reduce((sum, variance) => sum + variance / vectorDim, 0);
    const least = Math.max(leastVariance, leastShare * whole);
    return variances.map((variance) =>
      Math.sqrt(!alike ? Math.max(whole, least) : Math.max(variance, least)),
    );
  }

  function prepare(windows: Iterable<WindowArrays>, images: number, random: Random): void {
    const ofStage = new Float32Array(images * values);
    const mean = new Float64Array(dim);
    let image = 0;
    for (const { x, count } of windows) {
      for (let i = 0; i < count * dim; i++) mean[i % dim]! += x[i]! / images;
      for (let from = 0; from < count; from += rowsAtOnce(dim)) {
        const rows = Math.min(rowsAtOnce(dim), count - from);
        const part = x.slice(from * dim, (from + rows) * dim);
        scoped(() =>
          ofStage.set(stage.apply(tf.tensor2d(part, [rows, dim])).dataSync(), (image + from) * values),
        );
      }
      image += count;
    }
    const moments = momentsOf(ofStage, vectorDim);
    const scale = scalesOf(moments.variance);
    assign(learned.centre, moments.mean);
    assign(learned.scale, scale);
    assign(learned.mean, mean);
    if (typical === undefined) return;
    // In place: they may be hundreds of megabytes.
    ofStage.forEach((value, i) => {
      ofStage[i] = (value - moments.mean[i % vectorDim]!) / scale[i % vectorDim]!;
    });
    // The mean of similar cells is smoother than each of them; images are too different for a coreset, which would be the oddest ones.
    const find = alike ? findCoreset : findTypical;
    const found = maps.map((map) => find(ofStage, vectorDim, bank, random, map));
    assign(typical, Float32Array.from(found.flatMap((columns) => [...columns])));
  }

  // What the model inside solves is not of images.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  const { solve, ...others } = inner;
  return {
    ...others,
    spec,
    weights,
    latentDims: parts === 1 ? inner.latentDims : [parts * codeDim],
    statistics: [...inner.statistics, 'patch', ...(typical === undefined ? [] : ['bank'])],
    phases: inner.phases.map((phase) => ({
      ...phase,
      loss: (examples, random, step) => phase.loss(toParts(examples), random, step),
    })),
    validationLoss: (examples) => inner.validationLoss(toParts(examples)),
    activity(examples) {
      const activity = inner.activity(toParts(examples));
      return parts === 1 ? activity : [tf.tile(tf.concat([...activity]), [parts])];
    },
    encode: (examples) => tf.reshape(inner.encode(toParts(examples)), [-1, parts * codeDim]),
    assess,
    negativeLogJoint(code, examples) {
      const of = inner.negativeLogJoint(tf.reshape(code, [-1, codeDim]), toParts(examples));
      const ofImages = (perCode: tf.Tensor2D): tf.Tensor2D => tf.reshape(perCode, [-1, parts * codeDim]);
      return {
        ...valuesOnPixels(of, examples.x),
        negativeLogPrior: ofImages(of.negativeLogPrior),
        priorDeviance: ofImages(of.priorDeviance),
      };
    },
    generate() {
      throw new Error('a model of features cannot draw images: model.features must be pixels');
    },
    ...(stage.weights.size > 0 && { frozen: stage.weights }),
    prepare,
    inside: alike && together ? ofSomeCells() : { model: inner, parts, read },
  };

  /** Examples of the model inside in images. */
  function read({ x, mask, c, count }: WindowArrays): WindowArrays {
    const all = { x: new Float32Array(count * values), mask: new Float32Array(count * values) };
    const innerConditions = inner.spec.conditionDim;
    const conditions = new Float32Array(count * parts * innerConditions);
    for (let from = 0; from < count; from += rowsAtOnce(dim)) {
      const rows = Math.min(rowsAtOnce(dim), count - from);
      const part = (of: Float32Array, width: number): tf.Tensor2D =>
        tf.tensor2d(of.slice(from * width, (from + rows) * width), [rows, width]);
      scoped(() => {
        const given = toParts({
          x: part(x, dim),
          mask: part(mask, dim),
          c: spec.conditionDim === 0 ? undefined : part(c, spec.conditionDim),
        });
        all.x.set(given.x.dataSync(), from * values);
        all.mask.set(given.mask.dataSync(), from * values);
        if (given.c !== undefined) conditions.set(given.c.dataSync(), from * parts * innerConditions);
      });
    }
    return { ...all, c: conditions, count: count * parts };
  }

  /** What a model of images of cells learns from: each image in parts of some cells, which are drawn at random. */
  function ofSomeCells(): NonNullable<Model['inside']> {
    const seen = Math.min(cells, mostCellsToLearn);
    const perImage = Math.floor(cells / seen);
    const model = withCells(inner, seen);
    const { conditionDim } = model.spec;
    const order = Int32Array.from({ length: cells }, (_, i) => i);
    // Which cells are seen together does not matter.
    const random = createRandom(1);
    return {
      model,
      parts: perImage,
      read(windows) {
        const images = read(windows);
        const count = images.count * perImage;
        const some = [count * seen * channels, count * seen * channels, count * conditionDim];
        const [x, mask, c] = some.map((length) => new Float32Array(length)) as [
          Float32Array,
          Float32Array,
          Float32Array,
        ];
        for (let part = 0; part < count; part++) {
          if (part % perImage === 0) random.shuffle(order);
          const image = Math.floor(part / perImage);
          const given = image * inner.spec.conditionDim;
          c.set(images.c.subarray(given, given + spec.conditionDim), part * conditionDim);
          for (let i = 0; i < seen; i++) {
            const cell = order[(part % perImage) * seen + i]!;
            const [from, to] = [(image * cells + cell) * channels, (part * seen + i) * channels];
            x.set(images.x.subarray(from, from + channels), to);
            mask.set(images.mask.subarray(from, from + channels), to);
            const place = given + spec.conditionDim + cell * placeDim;
            c.set(
              images.c.subarray(place, place + placeDim),
              part * conditionDim + spec.conditionDim + i * placeDim,
            );
          }
        }
        return { x, mask, c, count };
      },
    };
  }
}

function assign(variable: tf.Variable, values: Float32Array | Float64Array): void {
  scoped(() => variable.assign(tf.tensor(Float32Array.from(values), variable.shape)));
}

/** Mean and variance of each column. */
function momentsOf(values: Float32Array, columns: number): { mean: Float64Array; variance: Float64Array } {
  const rows = values.length / columns;
  const mean = new Float64Array(columns);
  const variance = new Float64Array(columns);
  values.forEach((value, i) => (mean[i % columns]! += value / rows));
  values.forEach((value, i) => (variance[i % columns]! += (value - mean[i % columns]!) ** 2 / rows));
  return { mean, variance };
}
