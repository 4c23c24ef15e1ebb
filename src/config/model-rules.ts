/** What must hold between the options of a model. */
import { zoo, type ModelKind } from '../models/zoo';
import type { ModelFamily, OwnOption } from '../models/model';
import { oneOf, show } from './formats';
import type { Rule } from './rule';
import { detectorSchema } from './schema';
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

const ownOptions = [...new Set(families.flatMap(([, { options }]) => options))];

export const modelRules: readonly ModelRule[] = [
  ...ownOptions.map(foreignOption),
  {
    keys: ['model.latentDim', 'model.kind', 'record.channels', 'window.length'],
    problem({ model, record, window }) {
      const inputDim = record.channels.length * window.length;
      const sum = `${record.channels.length} × ${window.length} = ${inputDim}`;
      return !reads(model.kind, 'latentDim') || model.latentDim < inputDim
        ? undefined
        : `must be below channels × window.length (got ${model.latentDim}, with ${sum})`;
    },
  },
  {
    keys: ['model.levels', 'model.kind', 'record.channels', 'window.length'],
    problem({ model, record, window }) {
      if (!reads(model.kind, 'levels')) return undefined;
      if (model.levels.length < 2) return `must have at least two levels (got ${show(model.levels)})`;
      const inputDim = record.channels.length * window.length;
      const widest = Math.max(...model.levels);
      const sum = `${record.channels.length} × ${window.length} = ${inputDim}`;
      return widest < inputDim
        ? undefined
        : `must each be below channels × window.length (got ${widest}, with ${sum})`;
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
