/** `model`: which autoencoder, and its options. */
import { imageBytes } from '../domain/image';
import { imageOf, type RecordSchema } from '../domain/record';
import type { ModelFamily, OwnOption } from '../models/model';
import { modelKinds, zoo, type ModelKind } from '../models/zoo';
import {
  amount,
  amounts,
  choice,
  oneOf,
  positive,
  shareOrNone,
  show,
  whole,
  widths,
} from '../schema/formats';
import type { Parsed, Section } from '../schema/key';
import type { Rule } from '../schema/rule';

export const modelSection = {
  kind: choice(
    { doc: 'Which autoencoder; docs/models.md says when to take which.', default: 'cvae' },
    modelKinds,
  ),
  network: choice(
    {
      doc:
        'Dense layers over the whole window or image; `conv1d`: convolutions along time, each halving it; `conv2d`: ' +
        'over an image, each halving height and width.',
      default: 'mlp',
    },
    ['mlp', 'conv1d', 'conv2d'],
  ),
  hidden: widths({
    doc: 'Widths (filters) of the hidden layers of the encoder; the decoder has them mirrored.',
    default: [64, 32],
  }),
  likelihood: choice(
    {
      doc:
        'p(x|z). `student-t` has heavy tails: wild values among the normal ones. For images alone: `bernoulli`, ' +
        '`discretised-logistic`, and `auto`: `bernoulli` where pixels are mostly dark or bright, else `gaussian`.',
      default: 'gaussian',
    },
    ['gaussian', 'student-t', 'bernoulli', 'discretised-logistic', 'auto'],
  ),
  minVariance: positive({
    doc: 'Least variance of p(x|z) (squared scale of `student-t`), in units of the scaled data.',
    default: 1e-2,
  }),
  maxVariance: positive({ doc: 'Largest variance of p(x|z), likewise.', default: 10 }),
  degreesOfFreedom: positive({ doc: 'Of `student-t`: the fewer, the heavier the tails.', default: 4 }),
  conditionDropout: shareOrNone({
    doc: 'Share of training examples whose categories are replaced by the unknown token.',
    default: 0.05,
  }),
  latentDim: whole(
    {
      doc: 'Dimensions of the code; fewer than the numbers of a window or an image. Not for `hvae`.',
      default: 8,
    },
    { max: 4096 },
  ),
  beta: positive({ doc: '`beta-vae`: weight of the rate.', default: 4 }),
  betaSchedule: choice(
    {
      doc: '`beta-vae`: `warm-up` lets the weight rise once, `cyclical` again and again.',
      default: 'constant',
    },
    ['constant', 'warm-up', 'cyclical'],
  ),
  betaSteps: whole({ doc: '`beta-vae`: steps of the warm-up, or of one cycle.', default: 1000 }),
  capacity: amount({
    doc: '`beta-vae`: nats that the rate is held at; it grows from 0 to here. 0 = none.',
    default: 0,
  }),
  capacitySteps: whole({ doc: '`beta-vae`: steps until the capacity is reached.', default: 1000 }),
  freeBits: amount({
    doc: '`beta-vae`, `cvae`: nats of rate that a latent dimension has for free.',
    default: 0,
  }),
  prior: choice({ doc: '`aae`: distribution that the codes are shaped after.', default: 'normal' }, [
    'normal',
    'mixture',
    'uniform',
    'swiss-roll',
  ]),
  mixtureModes: whole({ doc: '`aae`: Gaussians of the prior `mixture`.', default: 8 }, { max: 1024 }),
  levels: widths({
    doc: '`hvae`: dimensions of each level of the code, the upper one first; at least two.',
    default: [4, 8],
  }),
  levelWeights: amounts({ doc: "`hvae`: weight of each level's rate; empty = 1 each.", default: [] }),
  levelFreeBits: amounts({
    doc: '`hvae`: nats that a dimension of each level has for free; empty = none.',
    default: [],
  }),
  llrLevels: whole({
    doc: '`hvae`: upper levels that the statistic `llr` compares the whole hierarchy with.',
    default: 1,
  }),
} satisfies Section;

interface ModelSettings {
  record: RecordSchema & { kind: 'sensor' | 'image' };
  window: { length: number };
  model: Parsed<typeof modelSection>;
}

type ModelRule = Rule<ModelSettings>;

const families = Object.entries<ModelFamily>(zoo) as [ModelKind, ModelFamily][];

/** Whether a kind of model reads an option. */
function reads(kind: ModelKind, option: OwnOption): boolean {
  const { options }: ModelFamily = zoo[kind];
  return options.includes(option);
}

/** An option of another kind would have no effect, and whoever set it would not know. */
function foreignOption(option: OwnOption): ModelRule {
  const { default: standard } = modelSection[option];
  const owners = families.filter(([kind]) => reads(kind, option)).map(([kind]) => kind);
  return {
    keys: [`model.${option}`, 'model.kind'],
    problem({ model }) {
      if (reads(model.kind, option) || show(model[option]) === show(standard)) return undefined;
      return `is no option of ${oneOf([model.kind])}, only of ${oneOf(owners)} (got ${show(model[option])})`;
    },
  };
}

/** A list with an entry for each level, or empty. */
function perLevel(option: 'levelWeights' | 'levelFreeBits'): ModelRule {
  return {
    keys: [`model.${option}`, 'model.levels', 'model.kind'],
    problem: ({ model }) =>
      !reads(model.kind, option) || [0, model.levels.length].includes(model[option].length)
        ? undefined
        : `must have one entry for each of the ${model.levels.length} levels, or none (got ${show(model[option])})`,
  };
}

/** The numbers of one example, and how to say where they come from. */
function inputOf({ record, window }: Pick<ModelSettings, 'record' | 'window'>): {
  dim: number;
  names: string;
  product: string;
} {
  const image = imageOf(record);
  if (image !== undefined) {
    const { width, height, colour } = image;
    const dim = imageBytes(image);
    return {
      dim,
      names: 'the numbers of an image',
      product: `${width} × ${height} pixels in ${colour} = ${dim}`,
    };
  }
  const channels = record.channels.length;
  const dim = channels * window.length;
  return { dim, names: 'channels × window.length', product: `${channels} × ${window.length} = ${dim}` };
}

const inputKeys = ['record.kind', 'record.channels', 'record.image', 'window.length'];

const ownOptions = [...new Set(families.flatMap(([, { options }]) => options))];

/** Some choices of a model make sense for one kind of record alone. */
function onlyFor(
  kind: 'sensor' | 'image',
  key: 'network' | 'likelihood',
  values: readonly string[],
): ModelRule {
  return {
    keys: [`model.${key}`, 'record.kind'],
    problem: ({ model, record }) =>
      record.kind !== kind && values.includes(model[key])
        ? `${show(model[key])} is for ${kind === 'image' ? 'images' : 'windows of sensor records'} alone`
        : undefined,
  };
}

export const modelRules: readonly ModelRule[] = [
  ...ownOptions.map(foreignOption),
  {
    keys: ['model.latentDim', 'model.kind', ...inputKeys],
    problem(settings) {
      const { model } = settings;
      const { dim, names, product } = inputOf(settings);
      // Without channels or size there is another problem to solve first.
      return dim === 0 || !reads(model.kind, 'latentDim') || model.latentDim < dim
        ? undefined
        : `must be below ${names} (got ${model.latentDim}, with ${product})`;
    },
  },
  {
    keys: ['model.levels', 'model.kind', ...inputKeys],
    problem(settings) {
      const { model } = settings;
      if (!reads(model.kind, 'levels')) return undefined;
      if (model.levels.length < 2) return `must have at least two levels (got ${show(model.levels)})`;
      const { dim, names, product } = inputOf(settings);
      const widest = Math.max(...model.levels);
      return dim === 0 || widest < dim
        ? undefined
        : `must each be below ${names} (got ${widest}, with ${product})`;
    },
  },
  perLevel('levelWeights'),
  perLevel('levelFreeBits'),
  {
    keys: ['model.llrLevels', 'model.levels', 'model.kind'],
    problem: ({ model }) =>
      !reads(model.kind, 'llrLevels') || model.llrLevels < model.levels.length
        ? undefined
        : `must be below the number of levels (got ${model.llrLevels}, with ${model.levels.length} levels)`,
  },
  {
    keys: ['model.prior', 'model.latentDim', 'model.kind'],
    problem: ({ model }) =>
      (model.prior === 'mixture' || model.prior === 'swiss-roll') && model.latentDim < 2
        ? `needs a model.latentDim of at least 2: it lies in a plane (got ${show(model.prior)}, ${model.latentDim})`
        : undefined,
  },
  {
    keys: ['model.freeBits', 'model.capacity'],
    problem: ({ model }) =>
      model.freeBits > 0 && model.capacity > 0
        ? 'cannot be set together with model.capacity: both hold the rate up'
        : undefined,
  },
  {
    keys: ['model.minVariance', 'model.maxVariance'],
    problem: ({ model }) =>
      model.minVariance < model.maxVariance
        ? undefined
        : `must be below model.maxVariance (got ${model.minVariance}, ${model.maxVariance})`,
  },
  onlyFor('image', 'network', ['conv2d']),
  onlyFor('sensor', 'network', ['conv1d']),
  onlyFor('image', 'likelihood', ['bernoulli', 'discretised-logistic', 'auto']),
];
