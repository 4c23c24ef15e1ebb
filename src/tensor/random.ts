/** The seeded generator of all random numbers, so that a seed determines the model. */
import { tf } from './tfjs';

export interface Random {
  /** A number that is uniform in [0, 1). */
  uniform(): number;
  /** A standard normal number. */
  normal(): number;
  /** A tensor that `draw` fills. A traced computation must draw only in this way: the tensor becomes an input of the graph. */
  tensor(shape: readonly [number, number], draw: Draw): tf.Tensor2D;
  /** A tensor of independent standard normal draws. */
  normalTensor(shape: readonly [number, number]): tf.Tensor2D;
  /** Shuffles in place (Fisher–Yates). */
  shuffle(indices: Int32Array): void;
  /** An independent generator; its draws do not affect this one. */
  fork(): Random;
}

/** Fills the whole of `data` with draws of `random`. */
export type Draw = (data: Float32Array, random: Pick<Random, 'uniform' | 'normal'>) => void;

const drawNormal: Draw = (data, { normal }) => {
  for (let i = 0; i < data.length; i++) data[i] = normal();
};

/** A generator that only draws tensors, by the given function; for computations that are recorded. */
export function createTensorRandom(tensor: Random['tensor']): Random {
  const refuse = (): never => {
    throw new Error('a traced computation may draw only tensors');
  };
  return {
    uniform: refuse,
    normal: refuse,
    tensor,
    normalTensor: (shape) => tensor(shape, drawNormal),
    shuffle: refuse,
    fork: refuse,
  };
}

/** xoshiro128** (Blackman & Vigna 2018), its state filled from `seed` by SplitMix32. */
export function createRandom(seed: number): Random {
  let mix = seed >>> 0;
  const nextSeed = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let h = mix;
    h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
    h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
    return (h ^ (h >>> 15)) >>> 0;
  };
  let a = nextSeed();
  let b = nextSeed();
  let c = nextSeed();
  let d = nextSeed();
  let spare: number | undefined;

  function uint32(): number {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  }

  const uniform = (): number => uint32() / 2 ** 32;

  /** Marsaglia's polar method. */
  function normal(): number {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const s = u * u + v * v;
      if (s > 0 && s < 1) {
        const factor = Math.sqrt((-2 * Math.log(s)) / s);
        spare = v * factor;
        return u * factor;
      }
    }
  }

  function tensor(shape: readonly [number, number], draw: Draw): tf.Tensor2D {
    const data = new Float32Array(shape[0] * shape[1]);
    draw(data, { uniform, normal });
    return tf.tensor2d(data, [shape[0], shape[1]]);
  }

  return {
    uniform,
    normal,
    tensor,
    normalTensor: (shape) => tensor(shape, drawNormal),
    shuffle(indices) {
      for (let i = indices.length - 1; i > 0; i--) {
        const j = Math.floor(uniform() * (i + 1));
        [indices[i], indices[j]] = [indices[j]!, indices[i]!];
      }
    },
    fork: () => createRandom(uint32()),
  };
}
