/**
 * The VAE without hidden layers. With a linear decoder and Gaussian noise, the optimum of the ELBO is probabilistic PCA
 * (Tipping & Bishop 1999; Lucas et al. 2019, "Don't blame the ELBO!"), here about a mean that is linear in the condition:
 *   p(x|z,c) = N( B·(1,c) + W·z, σ² ),  p(z) = N(0, I)
 *   W = U·(Λ − σ²I)^½,  σ² = mean of the other eigenvalues                (eq. 7–8)
 *   q(z|x,c) = N( M⁻¹·Wᵀ·(x − B·(1,c)), σ²·M⁻¹ ),  M = WᵀW + σ²I = Λ      (eq. 6) with Λ and U the largest eigenvalues and eigenvectors of the covariance. As in every model, the variance of a channel in scores is that of the errors on held-out windows with the mean of q for z. The model needs neither training steps nor a seed, and only few records, so it can score while there is no other model.
 */
import type { Random } from '../tensor';
import { maxLogVar } from './gaussian';
import {
  inputDim,
  writeWeights,
  type Model,
  type ModelFamily,
  type SpecWith,
  type WindowArrays,
} from './model';
import { latentDim, latentDimRule } from './options';
import { principalComponents, type Components } from './principal-components';
import { regress, subtractExpected } from './ridge';
import { createVae } from './vae';

const options = { latentDim };

type Spec = SpecWith<typeof options>;

/** Weight, in windows, of the shrinkage of the conditions' coefficients to 0: a condition may hardly have varied yet. */
const ridge = 1;

/** Maximum number of values in the windows for the components: bounds the time to about a second. */
const maxValues = 1_000_000;
/** The minimum number of windows, whatever their size. */
const leastWindows = 200;

/** The number of windows within these bounds; they are evenly spread. */
export function windowsToSolve(dim: number): number {
  return Math.max(leastWindows, Math.floor(maxValues / dim));
}

function create(spec: Spec, random: Random): Model {
  const own: Spec = { ...spec, network: 'mlp', hidden: [], likelihood: 'gaussian' };
  const model = createVae(own, random);
  return { ...model, solve: (windows, heldOut) => writeWeights(model, solve(own, windows, heldOut)) };
}

/**
 * Computes the weights at the optimum. The number of components in use, at most `latentDim`, and the variance of each channel
 * are those that explain the held-out windows best.
 */
function solve(spec: Spec, windows: WindowArrays, heldOut: WindowArrays): Map<string, Float32Array> {
  const { latentDim: latents, conditionDim } = spec;
  const dim = inputDim(spec);
  const { x, c, count } = windows;
  const seen = Float32Array.from({ length: count * dim }, (_, i) => (isSeen(windows, i) ? x[i]! : NaN));
  const records = Array.from({ length: count }, (_, i) => i);
  const b = regress(
    { x: seen, c, outputs: dim, conditions: conditionDim },
    records,
    conditionDim,
    new Float64Array((1 + conditionDim) * dim),
    ridge,
  );
  const components = principalComponents(deviationsOf(windows, b, spec), dim, latents);
  const deviations = deviationsOf(heldOut, b, spec);
  const used = bestCount(components, dim, deviations, spec.minVariance);
  const { directions, variances } = components;
  const noise = noiseOf(components, dim, used, spec.minVariance);

  const encoder = new Float32Array((dim + conditionDim) * 2 * latents);
  const encoderBias = new Float32Array(2 * latents);
  const decoder = new Float32Array((latents + conditionDim) * dim);
  for (let k = 0; k < used; k++) {
    const direction = directions.subarray(k * dim, (k + 1) * dim);
    const variance = Math.max(noise, variances[k]!);
    const loading = Math.sqrt(variance - noise);
    // Row k of M⁻¹·Wᵀ.
    const read = direction.map((u) => (loading / variance) * u);
    for (let j = 0; j < dim; j++) {
      decoder[k * dim + j] = loading * direction[j]!;
      encoder[j * 2 * latents + k] = read[j]!;
      encoderBias[k]! -= read[j]! * b[j]!;
      for (let i = 0; i < conditionDim; i++)
        encoder[(dim + i) * 2 * latents + k]! -= read[j]! * b[(1 + i) * dim + j]!;
    }
    encoderBias[latents + k] = rawLogVar(Math.log(noise / variance));
  }
  decoder.set(b.subarray(dim), latents * dim);
  return new Map([
    ['encoder/0/kernel', encoder],
    ['encoder/0/bias', encoderBias],
    ['decoder/0/kernel', decoder],
    ['decoder/0/bias', Float32Array.from(b.subarray(0, dim))],
    ['likelihood/variance/0/kernel', new Float32Array(Math.max(1, conditionDim) * spec.channels)],
    ['likelihood/variance/0/bias', channelNoise(spec, heldOut, deviations, components, used, noise)],
  ]);
}

/** Whether a value is present and finite. Others are ignored. */
function isSeen({ x, mask }: WindowArrays, i: number): boolean {
  return mask[i] !== 0 && Number.isFinite(x[i]);
}

/** x − B·(1, c), 0 where x is missing. Shape [count, dim]. */
function deviationsOf(windows: WindowArrays, b: Float64Array, spec: Spec): Float64Array {
  const { x, c, count } = windows;
  const { conditionDim } = spec;
  const dim = inputDim(spec);
  const deviations = new Float64Array(count * dim);
  for (let row = 0; row < count; row++) {
    const d = deviations.subarray(row * dim, (row + 1) * dim);
    subtractExpected(b, x, row * dim, c, row * conditionDim, conditionDim, d);
    for (let j = 0; j < dim; j++) if (!isSeen(windows, row * dim + j)) d[j] = 0;
  }
  return deviations;
}

/** σ² with the first `used` components (eq. 8). */
function noiseOf({ variances, total }: Components, dim: number, used: number, least: number): number {
  const explained = variances.subarray(0, used).reduce((sum, value) => sum + value, 0);
  return Math.max(least, (total - explained) / (dim - used));
}

/** The number of components with which the held-out windows are likeliest. */
function bestCount(components: Components, dim: number, deviations: Float64Array, least: number): number {
  const { variances, directions } = components;
  const rows = deviations.length / dim;
  let rest = deviations.reduce((sum, d) => sum + d * d, 0) / rows;
  /** −2·log p except for a constant: the part that the components explain, and the rest. */
  let explained = 0;
  let best = { count: 0, cost: Infinity };
  for (let count = 0; count <= Math.min(variances.length, dim - 1); count++) {
    const noise = noiseOf(components, dim, count, least);
    const cost = explained + rest / noise + (dim - count) * Math.log(noise);
    if (cost < best.cost) best = { count, cost };
    const variance = variances[count];
    if (variance === undefined || variance <= least) break;
    let squares = 0;
    for (let row = 0; row < rows; row++) {
      let code = 0;
      for (let j = 0; j < dim; j++) code += directions[count * dim + j]! * deviations[row * dim + j]!;
      squares += code ** 2 / rows;
    }
    explained += squares / variance + Math.log(variance);
    rest -= squares;
  }
  return best.count;
}

/** The bias of the likelihood's network for which each channel has the variance of its errors on the held-out windows. */
function channelNoise(
  { channels, minVariance, maxVariance }: Spec,
  heldOut: WindowArrays,
  deviations: Float64Array,
  { variances, directions }: Components,
  used: number,
  noise: number,
): Float32Array {
  const { count } = heldOut;
  const dim = deviations.length / count;
  const squares = new Float64Array(channels);
  const present = new Float64Array(channels);
  for (let row = 0; row < count; row++) {
    const d = deviations.subarray(row * dim, (row + 1) * dim);
    const error = d.slice();
    for (let k = 0; k < used; k++) {
      const direction = directions.subarray(k * dim, (k + 1) * dim);
      const kept = 1 - noise / Math.max(noise, variances[k]!);
      const code = kept * d.reduce((sum, value, j) => sum + value * direction[j]!, 0);
      for (let j = 0; j < dim; j++) error[j]! -= code * direction[j]!;
    }
    for (let j = 0; j < dim; j++) {
      if (!isSeen(heldOut, row * dim + j)) continue;
      squares[j % channels]! += error[j]! ** 2;
      present[j % channels]!++;
    }
  }
  const [low, high] = [Math.log(minVariance), Math.log(maxVariance)];
  return Float32Array.from(squares, (sum, j) => {
    const share = (Math.log(sum / Math.max(1, present[j]!)) - low) / (high - low);
    const within = Math.min(1 - 1e-6, Math.max(1e-6, share));
    return Math.log(within / (1 - within));
  });
}

/** The output of the encoder from which `gaussianFrom` computes this log σ². */
function rawLogVar(logVar: number): number {
  return maxLogVar * Math.atanh(Math.max(-1 + 1e-6, logVar / maxLogVar));
}

export const linear: ModelFamily<typeof options> = {
  options,
  rules: [
    latentDimRule,
    {
      keys: ['network', 'likelihood'],
      problem: ({ network, likelihood }) =>
        network === 'mlp' && likelihood === 'gaussian'
          ? undefined
          : `must be mlp and gaussian for a linear model (got ${network}, ${likelihood})`,
    },
  ],
  create,
};
