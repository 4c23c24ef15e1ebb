/** Every kind of model by its name in the configuration. To add a model, write its file and one line here. */
import type { Random } from '../tensor';
import { aae } from './aae';
import { betaVae } from './beta-vae';
import { cvae } from './cvae';
import { hvae } from './hvae';
import type { Model, ModelFamily, ModelSpec } from './model';
import { vae } from './vae';

export const zoo = {
  cvae,
  vae,
  'beta-vae': betaVae,
  aae,
  hvae,
} as const satisfies Record<string, ModelFamily>;

export type ModelKind = keyof typeof zoo;

export const modelKinds = Object.keys(zoo) as ModelKind[];

/** @throws RangeError for a kind that is not in the zoo */
export function createModel(spec: ModelSpec, random: Random): Model {
  const family = (zoo as Record<string, ModelFamily>)[spec.kind];
  if (family === undefined)
    throw new RangeError(`no model is called "${spec.kind}"; there is ${modelKinds.join(', ')}`);
  return family.create(spec, random);
}
