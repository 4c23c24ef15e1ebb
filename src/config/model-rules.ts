/** What must hold between the options of a model. */
import { zoo, type ModelKind } from '../models/zoo';
import type { ModelFamily, OwnOption } from '../models/model';
import { oneOf, show } from '../schema/formats';
import type { Rule } from '../schema/rule';
import { detectorSchema } from './schema';
import { imageBytes } from '../domain/image';
import { imageOf } from '../domain/record';
import type { DetectorSettings } from './settings';

type ModelRule = Rule<DetectorSettings>;

const families = Object.entries<ModelFamily>(zoo) as [ModelKind, ModelFamily][];

/** Whether a kind of model reads an option. */
function reads(kind: ModelKind, option: OwnOption): boolean {
  const { options }: ModelFamily = zoo[kind];
  return options.includes(option);
}

/** An option of another kind would have no effect, and whoever set it would not know. */
function foreignOption(option: OwnOption): ModelRule {
  const { default: standard } = detectorSchema.model[option];
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
function inputOf({ record, window }: Pick<DetectorSettings, 'record' | 'window'>): {
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
];
