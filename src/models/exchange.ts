/**
 * Weights with PyTorch's names and layout: the layers of an MLP are `encoder.0.weight`, `encoder.2.weight` … as in an
 * `nn.Sequential` with a ReLU after each, [out, in]; a convolution is [out, in, height, width].
 */
import type { StoredTensor } from '../tensor';
import type { Weights } from './network';

/** `encoder/1/kernel` → `encoder.2.weight`. */
function torchName(name: string): string {
  const parts = name.split('/');
  const kind = parts.pop() === 'kernel' ? 'weight' : 'bias';
  const layer = parts.pop() ?? '';
  return [...parts, /^\d+$/.test(layer) ? String(2 * Number(layer)) : layer, kind].join('.');
}

/** PyTorch's order of dimensions; the last two are [in, out] here. */
function torchOrder(rank: number): number[] {
  if (rank < 2) return [0].slice(0, rank);
  return [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)];
}

/** The tensor with its dimensions in another order: dimension i of the result is dimension `order[i]`. */
function permute(
  data: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): { shape: number[]; data: Float32Array } {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
  const result = new Float32Array(data.length);
  const target = order.map((dimension) => shape[dimension]!);
  const index = order.map(() => 0);
  for (let to = 0; to < data.length; to++) {
    let from = 0;
    for (let i = 0; i < order.length; i++) from += index[i]! * strides[order[i]!]!;
    result[to] = data[from]!;
    for (let i = order.length - 1; i >= 0 && ++index[i]! === target[i]!; i--) index[i] = 0;
  }
  return { shape: target, data: result };
}

/** Every weight under PyTorch's name and in its layout. */
export function toTorchWeights(weights: Weights): Map<string, StoredTensor> {
  return new Map(
    [...weights].map(([name, variable]) => {
      const { shape, data } = permute(
        variable.dataSync<'float32'>(),
        variable.shape,
        torchOrder(variable.shape.length),
      );
      return [torchName(name), { dtype: 'F32', shape, data }];
    }),
  );
}

/**
 * The values for `writeWeights`, from PyTorch's names and layout.
 * @throws RangeError when a weight is missing, has another shape or type, or is unknown to the model
 */
export function fromTorchWeights(
  weights: Weights,
  tensors: ReadonlyMap<string, StoredTensor>,
): Map<string, Float32Array> {
  const left = new Set(tensors.keys());
  const values = new Map<string, Float32Array>();
  for (const [name, variable] of weights) {
    const stored = tensors.get(torchName(name));
    const order = torchOrder(variable.shape.length);
    const expected = order.map((dimension) => variable.shape[dimension]!);
    if (stored?.dtype !== 'F32' || stored.shape.join() !== expected.join()) {
      const got = stored === undefined ? 'none' : `${stored.dtype} [${stored.shape.join(', ')}]`;
      throw new RangeError(`weight "${torchName(name)}" must be F32 [${expected.join(', ')}], got ${got}`);
    }
    left.delete(torchName(name));
    const inverse = order.map((_, i) => order.indexOf(i));
    values.set(name, permute(stored.data, stored.shape, inverse).data);
  }
  if (left.size > 0) throw new RangeError(`the model has no weights ${[...left].join(', ')}`);
  return values;
}
