/** Priors of an adversarial autoencoder: distributions with a known density from which codes can be drawn. */
import { tf, type Random } from '../tensor';
import { choice, show, whole } from '../schema/formats';
import type { Parsed } from '../schema/key';
import { negativeLogDensity, standardNormal } from './gaussian';
import { latentDim, type OptionRule } from './options';

export const priorOptions = {
  latentDim,
  prior: choice({ doc: 'Distribution that the codes are trained to have.', default: 'normal' }, [
    'normal',
    'mixture',
    'uniform',
    'swiss-roll',
  ]),
  mixtureModes: whole({ doc: 'Gaussians of the prior `mixture`.', default: 8 }, { max: 1024 }),
};

type PriorOptions = Parsed<typeof priorOptions>;

export const priorRule: OptionRule<PriorOptions> = {
  keys: ['prior', 'latentDim'],
  problem: (options) =>
    (options.prior === 'mixture' || options.prior === 'swiss-roll') && options.latentDim < 2
      ? `needs a model.latentDim of at least 2: it lies in a plane (got ${show(options.prior)}, ${options.latentDim})`
      : undefined,
};

export interface Prior {
  /**
   * Draws codes. Shape [count, dim].
   * @param temperature scales the distance of a draw from the most typical one
   */
  draw(count: number, random: Random, temperature?: number): tf.Tensor2D;
  /** −log p(z) in nats, split into a term for each dimension. Shape [batch, dim]. */
  negativeLogPrior(z: tf.Tensor2D): tf.Tensor2D;
  /** The terms of the likeliest code. Length dim. */
  readonly leastNegativeLogPrior: readonly number[];
}

/** The prior in the options, over `latentDim` dimensions. */
export function createPrior(options: PriorOptions): Prior {
  const { latentDim: dim } = options;
  switch (options.prior) {
    case 'normal':
      return createNormal(dim);
    case 'mixture':
      return createPlaneMixture(onCircle(options.mixtureModes), modeDeviation, dim);
    case 'uniform':
      return createUniform(dim);
    case 'swiss-roll':
      return createPlaneMixture(onSwissRoll(rollPoints), rollDeviation, dim);
  }
}

const normalLeast = 0.5 * Math.log(2 * Math.PI);

function createNormal(dim: number): Prior {
  return {
    draw: (count, random, temperature = 1) => random.normalTensor([count, dim]).mul(temperature),
    negativeLogPrior: (z) => negativeLogDensity(z, standardNormal(dim)),
    leastNegativeLogPrior: new Array<number>(dim).fill(normalLeast),
  };
}

type Point = readonly [number, number];

const circleRadius = 2;
const modeDeviation = 0.3;

/** Centres that lie evenly on a circle (Makhzani 2015, fig. 4). */
function onCircle(count: number): Point[] {
  return Array.from({ length: count }, (_, k) => {
    const angle = (2 * Math.PI * k) / count;
    return [circleRadius * Math.cos(angle), circleRadius * Math.sin(angle)];
  });
}

const rollPoints = 100;
const rollDeviation = 0.1;

/** Points along one and a half turns of a spiral, evenly by its length, within a radius of 2.5. */
function onSwissRoll(count: number): Point[] {
  return Array.from({ length: count }, (_, k) => {
    const from = 1.5 * Math.PI;
    const to = 4.5 * Math.PI;
    // The length of this spiral grows approximately as the square of the angle.
    const angle = Math.sqrt(from ** 2 + ((to ** 2 - from ** 2) * (k + 0.5)) / count);
    const radius = (2.5 * angle) / to;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/**
 * Gaussians of equal weight around centres in the first two dimensions, N(0, 1) in the others. The density of the first two
 * does not factor, so each of them gets half of their term.
 */
function createPlaneMixture(centers: readonly Point[], deviation: number, dim: number): Prior {
  const logWeight = -Math.log(centers.length) - Math.log(2 * Math.PI * deviation ** 2);
  const nearby = centers.map(([x, y]) =>
    centers.reduce((sum, [u, v]) => sum + Math.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * deviation ** 2)), 0),
  );
  const leastInPlane = -Math.log(Math.max(...nearby)) - logWeight;
  return {
    draw(count, random, temperature = 1) {
      return random.tensor([count, dim], (data, { uniform, normal }) => {
        for (let i = 0; i < count; i++) {
          const center = centers[Math.floor(uniform() * centers.length)]!;
          for (let j = 0; j < dim; j++) {
            const noise = normal() * temperature;
            data[i * dim + j] = j < 2 ? center[j]! + deviation * noise : noise;
          }
        }
      });
    },
    negativeLogPrior(z) {
      const plane: tf.Tensor3D = tf.reshape(tf.slice(z, [0, 0], [-1, 2]), [-1, 1, 2]);
      const distances = plane.sub(tf.tensor3d([centers.map((p) => [...p])])).div(deviation); // [batch, centres, 2]
      const exponents = distances.square().sum(2).mul(-0.5); // [batch, centres]
      const inPlane: tf.Tensor2D = tf.logSumExp(exponents, 1, true); // [batch, 1]
      const shared = tf.tile(inPlane.add(logWeight).neg().div(2), [1, 2]);
      if (dim === 2) return shared;
      const others = tf.slice(z, [0, 2], [-1, dim - 2]);
      return tf.concat([shared, negativeLogDensity(others, standardNormal(dim - 2))], 1);
    },
    leastNegativeLogPrior: Array.from({ length: dim }, (_, i) => (i < 2 ? leastInPlane / 2 : normalLeast)),
  };
}

/** Half the width of the uniform prior, for a variance of about 1. */
const uniformHalf = 1.7;
/** Scale of the logistic noise that blurs the edges of the uniform prior. */
const uniformBlur = 0.05;

/**
 * U(−a, a) plus logistic noise of scale s, so that the density is never 0: with u = (z + a)/s and v = (z − a)/s
 *   p(z) = ( sigmoid(u) − sigmoid(v) ) / 2a = sigmoid(u)·sigmoid(−v)·( 1 − exp(v − u) ) / 2a.
 */
function createUniform(dim: number): Prior {
  const [a, s] = [uniformHalf, uniformBlur];
  const constant = Math.log(2 * a) - Math.log1p(-Math.exp((-2 * a) / s));
  return {
    draw(count, random, temperature = 1) {
      return random.tensor([count, dim], (data, { uniform }) => {
        for (let i = 0; i < data.length; i++) {
          const even = (2 * uniform() - 1) * a;
          const share = (uniform() * 2 ** 32 + 0.5) / 2 ** 32; // never 0 or 1
          data[i] = (even + s * Math.log(share / (1 - share))) * temperature;
        }
      });
    },
    negativeLogPrior(z) {
      const below = z.add(a).div(s).neg().softplus();
      const above = z.sub(a).div(s).softplus();
      return below.add(above).add(constant);
    },
    leastNegativeLogPrior: new Array<number>(dim).fill(2 * Math.log1p(Math.exp(-a / s)) + constant),
  };
}
