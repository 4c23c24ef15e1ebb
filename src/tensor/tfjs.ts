/** Loads tfjs at its first use: commands that compute nothing, such as `vaemon config check`, start without it. */
import type * as core from '@tensorflow/tfjs-core';
import { addTensorMethods } from './chaining';

/** Declares the types of tfjs in use, as a value that is loaded later has no types. */
/* eslint-disable @typescript-eslint/no-namespace -- a type and a value of one name merge only so */
export declare namespace tf {
  type Rank = core.Rank;
  namespace Rank {
    type R0 = core.Rank.R0;
    type R1 = core.Rank.R1;
    type R2 = core.Rank.R2;
    type R3 = core.Rank.R3;
    type R4 = core.Rank.R4;
  }
  type Tensor<R extends core.Rank = core.Rank> = core.Tensor<R>;
  type Scalar = core.Scalar;
  type Tensor1D = core.Tensor1D;
  type Tensor2D = core.Tensor2D;
  type Tensor3D = core.Tensor3D;
  type Tensor4D = core.Tensor4D;
  type Variable<R extends core.Rank = core.Rank> = core.Variable<R>;
  type NamedTensorMap = core.NamedTensorMap;
  type GradSaveFunc = core.GradSaveFunc;
}
/* eslint-enable @typescript-eslint/no-namespace */

function load(): typeof core {
  /* eslint-disable @typescript-eslint/no-require-imports -- an import would load them at once */
  const loaded = require('@tensorflow/tfjs-core') as typeof core;
  // Registers all gradients, which the CommonJS build of tfjs-core lacks.
  require('@tensorflow/tfjs-layers');
  /* eslint-enable @typescript-eslint/no-require-imports */
  addTensorMethods(loaded);
  return loaded;
}

/** Copies the members of tfjs to the object at the first access, so that later accesses are those of a plain object. */
const loader: ProxyHandler<object> = {
  get(_, name, object: Record<PropertyKey, unknown>) {
    Object.assign(object, load());
    return Object.hasOwn(object, name) ? object[name] : undefined;
  },
};

export const tf = Object.create(new Proxy({}, loader)) as typeof core;
