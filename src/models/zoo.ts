/** Every model by the name it has in a configuration. A new model is its file and one line here. */
import type { Random } from '../tensor';
import { createCvae } from './cvae';
import type { Model, ModelSpec } from './model';

export const zoo = {
  cvae: createCvae,
} as const satisfies Record<string, (spec: ModelSpec, random: Random) => Model>;

export type ModelKind = keyof typeof zoo;

export const modelKinds = Object.keys(zoo) as ModelKind[];

/** @throws RangeError for a kind that is not in the zoo */
export function createModel(spec: ModelSpec, random: Random): Model {
  const create = (zoo as Record<string, (spec: ModelSpec, random: Random) => Model>)[spec.kind];
  if (create === undefined)
    throw new RangeError(`no model is called "${spec.kind}"; there is ${modelKinds.join(', ')}`);
  return create(spec, random);
}
