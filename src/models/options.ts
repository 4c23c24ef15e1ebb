/** Options under `model` in a configuration that every model reads, or that several read. */
import { amount, choice, positive, whole, widths } from '../schema/formats';
import type { Parsed, Section } from '../schema/key';
import type { SectionRule } from '../schema/rule';

export const sharedOptions = {
  network: choice(
    {
      doc:
        'Networks of encoder and decoder. `mlp`: dense layers over the whole window or image. `conv1d`: convolutions along time, ' +
        'each of which halves it. `conv2d`: convolutions over an image, each of which halves height and width.',
      default: 'mlp',
    },
    ['mlp', 'conv1d', 'conv2d'],
  ),
  features: choice(
    {
      doc:
        'Values that a model of images reads. `gradients`: histograms of the directions of edges in cells of 4 × 4 pixels, which ' +
        'differ where pixels look alike. `backbone`: features of each 8 × 8 pixels by the first layers of a network that has ' +
        'learned from photographs, for surfaces. `auto`: `backbone` for images of at least 64 × 64 pixels, `gradients` for smaller ones.',
      default: 'pixels',
    },
    ['pixels', 'gradients', 'backbone', 'auto'],
  ),
  hidden: widths({
    doc: 'Widths of the hidden layers of the encoder, or numbers of filters. The decoder has the same in reverse.',
    default: [64, 32],
  }),
  likelihood: choice(
    {
      doc:
        'Likelihood p(x|z). `student-t`: heavy tails, for normal records with outliers. For images only: `bernoulli`, ' +
        '`discretised-logistic`, and `auto`, which is `bernoulli` where most pixels are dark or bright and `gaussian` elsewhere.',
      default: 'gaussian',
    },
    ['gaussian', 'student-t', 'bernoulli', 'discretised-logistic', 'auto'],
  ),
  minVariance: positive({
    doc: 'Smallest variance of p(x|z), in units of the scaled data; for `student-t` the squared scale.',
    default: 1e-2,
  }),
  maxVariance: positive({
    doc: 'Largest variance of p(x|z), in units of the scaled data; for `student-t` the squared scale.',
    default: 10,
  }),
  degreesOfFreedom: positive({
    doc: 'Degrees of freedom of `student-t`. Fewer degrees have heavier tails.',
    default: 4,
  }),
} satisfies Section;

export type SharedOptions = Parsed<typeof sharedOptions>;

/** The number of values of one example. */
export interface ExampleSize {
  dim: number;
  /** Text for `dim` in error messages, with its factors. */
  names: string;
  product: string;
}

/**
 * Keys outside of `model` that determine the size of an example. A rule that needs the size lists them as `in addition to`.
 */
export const exampleKeys = ['record.kind', 'record.channels', 'record.image', 'window.length'];

export type OptionRule<Options> = SectionRule<Options, () => ExampleSize>;

export const sharedRules: readonly OptionRule<SharedOptions>[] = [
  {
    keys: ['minVariance', 'maxVariance'],
    problem: ({ minVariance, maxVariance }) =>
      minVariance < maxVariance
        ? undefined
        : `must be below model.maxVariance (got ${minVariance}, ${maxVariance})`,
  },
];

export const latentDim = whole(
  {
    doc: 'Dimensions of the latent code; fewer than an example has numbers.',
    default: 8,
  },
  { max: 4096 },
);

export const latentDimRule: OptionRule<{ latentDim: number }> = {
  keys: ['latentDim'],
  beside: exampleKeys,
  problem(options, sizeOf) {
    const { dim, names, product } = sizeOf();
    // Without channels or a size, another error is reported first.
    return dim === 0 || options.latentDim < dim
      ? undefined
      : `must be below ${names} (got ${options.latentDim}, with ${product})`;
  },
};

export const freeBits = amount({
  doc: 'Nats of rate of each latent dimension that the loss does not count.',
  default: 0,
});
