/**
 * Key `model`: the kind of autoencoder and its options. Each option and its rules are defined in the file of a model
 * (src/models).
 */
import { imageBytes } from '../domain/image';
import { imageOf, type RecordSchema } from '../domain/record';
import { modelImage } from '../domain/tiles';
import type { AnyModelFamily } from '../models/model';
import { sharedOptions, sharedRules, type ExampleSize, type OptionRule } from '../models/options';
import { zoo, type ModelKind, type OwnOptionKeys } from '../models/zoo';
import { choice, oneOf, shareOrNone, show } from '../schema/formats';
import type { Key, Parsed, Section } from '../schema/key';
import type { Rule } from '../schema/rule';

const families: readonly [string, AnyModelFamily][] = Object.entries(zoo);

/** The models that read an option. */
const readersOf = (option: string): string[] =>
  families.filter(([, { options }]) => option in options).map(([kind]) => kind);

/** The options that only some models read; the documentation lists those models. */
const ownOptions = Object.fromEntries(
  families.flatMap(([, { options }]) =>
    Object.entries(options).map(([name, key]): [string, Key<unknown>] => {
      const readers = readersOf(name).map((kind) => `\`${kind}\``);
      return [name, { ...key, doc: `${key.doc} For ${readers.join(', ')}.` }];
    }),
  ),
) as OwnOptionKeys;

export const modelSection = {
  kind: choice(
    { doc: 'Kind of autoencoder. docs/models.md states which fits what.', default: 'cvae' },
    families.map(([kind]) => kind as ModelKind),
  ),
  ...sharedOptions,
  conditionDropout: shareOrNone({
    doc: 'Share of training examples whose categories are replaced by the unknown category.',
    default: 0.05,
  }),
  ...ownOptions,
} satisfies Section;

interface ModelSettings {
  record: RecordSchema & { kind: 'sensor' | 'image' };
  window: { length: number };
  model: Parsed<typeof modelSection>;
}

type ModelRule = Rule<ModelSettings>;

/** Rejects an option of another kind of model, which would have no effect. */
function foreignOption(option: keyof typeof ownOptions): ModelRule {
  const readers = readersOf(option);
  const { default: standard } = ownOptions[option];
  return {
    keys: [`model.${option}`, 'model.kind'],
    problem: ({ model }) =>
      readers.includes(model.kind) || show(model[option]) === show(standard)
        ? undefined
        : `is no option of ${oneOf([model.kind])}, only of ${oneOf(readers)} (got ${show(model[option])})`,
  };
}

function sizeOf({ record, window }: ModelSettings): ExampleSize {
  const image = imageOf(record);
  if (image !== undefined) {
    const { width, height, colour } = modelImage(image);
    const dim = imageBytes({ width, height, colour });
    return {
      dim,
      names: `the numbers of ${image.tile ? 'a tile' : 'an image'}`,
      product: `${width} × ${height} pixels in ${colour} = ${dim}`,
    };
  }
  const channels = record.channels.length;
  const dim = channels * window.length;
  return { dim, names: 'channels × window.length', product: `${channels} × ${window.length} = ${dim}` };
}

/** @param kind of the models that have the rule; undefined = all */
function optionRule<Options>(rule: OptionRule<Options>, kind?: string): ModelRule {
  return {
    keys: [...rule.keys.map((key) => `model.${key}`), 'model.kind', ...(rule.beside ?? [])],
    problem(settings) {
      if (kind !== undefined && settings.model.kind !== kind) return undefined;
      // The settings of `model` contain the options of every kind.
      return rule.problem(settings.model as unknown as Options, () => sizeOf(settings));
    },
  };
}

/** Rejects options of all models that fit only one kind of record. */
function onlyFor(
  kind: 'sensor' | 'image',
  key: 'network' | 'likelihood' | 'features',
  values: readonly string[],
): ModelRule {
  return {
    keys: [`model.${key}`, 'record.kind'],
    problem: ({ model, record }) =>
      record.kind !== kind && values.includes(model[key])
        ? `${show(model[key])} is for ${kind === 'image' ? 'images' : 'windows of sensor records'} only`
        : undefined,
  };
}

export const modelRules: readonly ModelRule[] = [
  ...(Object.keys(ownOptions) as (keyof typeof ownOptions)[]).map(foreignOption),
  ...families.flatMap(([kind, { rules }]) => rules.map((rule) => optionRule(rule, kind))),
  ...sharedRules.map((rule) => optionRule(rule)),
  onlyFor('image', 'network', ['conv2d']),
  onlyFor('sensor', 'network', ['conv1d']),
  onlyFor('image', 'likelihood', ['bernoulli', 'discretised-logistic', 'auto']),
  onlyFor('image', 'features', ['gradients', 'backbone', 'auto']),
  {
    keys: ['model.likelihood', 'model.features'],
    problem: ({ model: { likelihood, features } }) =>
      features !== 'pixels' && ['bernoulli', 'discretised-logistic'].includes(likelihood)
        ? `${show(likelihood)} is for pixels, not for ${show(features)}`
        : undefined,
  },
];
