/** Every kind of model by its name in the configuration. To add a model, write its file and one line here. */
import type { Parsed } from '../schema/key';
import type { Random } from '../tensor';
import { aae } from './aae';
import { betaVae } from './beta-vae';
import { cvae } from './cvae';
import { hvae } from './hvae';
import { linear } from './linear-vae';
import type { AnyModelFamily, Features, Model, ModelSpec } from './model';
import { hasFeatures } from './features';
import { onFeatures } from './on-features';
import type { SharedOptions } from './options';
import { vae } from './vae';

export const zoo = {
  vae,
  'beta-vae': betaVae,
  cvae,
  aae,
  hvae,
  linear,
} as const satisfies Record<string, AnyModelFamily>;

export type ModelKind = keyof typeof zoo;

export const modelKinds = Object.keys(zoo) as ModelKind[];

type Intersection<U> = (U extends unknown ? (member: U) => void : never) extends (all: infer I) => void
  ? I
  : never;

/** Keys of the options that only some models read. */
export type OwnOptionKeys = Intersection<(typeof zoo)[ModelKind]['options']>;

/** Configured options, of any model. */
export type ModelChoice = { kind: string; features?: Features } & Omit<SharedOptions, 'features'> &
  Parsed<OwnOptionKeys>;

/** A specification with the options of all models. */
export type AnyModelSpec = ModelSpec & Parsed<OwnOptionKeys>;

/** @throws RangeError for a kind that is not in the zoo */
export function createModel(spec: ModelSpec, random: Random): Model {
  const family = (zoo as Record<string, AnyModelFamily>)[spec.kind];
  if (family === undefined)
    throw new RangeError(`no model is called "${spec.kind}"; there is ${modelKinds.join(', ')}`);
  const create = (of: ModelSpec): Model => family.create(of, random);
  return hasFeatures(spec) ? onFeatures(spec, create, family.hasImageLevel === true) : create(spec);
}
