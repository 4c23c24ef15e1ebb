/**
 * The code that explains the present values of an example best: z* = argmax p(x_seen, z|c), the maximum a posteriori. The prior
 * keeps the code normal, and masked values are ignored, so decoding it yields the nearest normal example. The encoder cannot
 * compute it: it reads all of x, and one broken sensor changes the code of all channels.
 */
import { scoped, tf } from '../tensor';
import type { Examples, Model } from './model';

/** Number of steps of the search; each is a forward and a backward pass of the decoder. */
const steps = 12;

/** Step size at the start, in units of a latent dimension. It falls to 0 along half a cosine. */
const firstStep = 0.4;

/** The likeliest codes found, [batch, sum of latentDims], row-major. */
export interface LikeliestCodes {
  codes: Float32Array;
  /** −log p(x_seen, z|c) in nats. Shape [batch]. */
  costs: Float32Array;
}

/**
 * The likeliest code of each row, found by gradient steps of Adam (Kingma & Ba 2015) from the posterior mean. The result of a
 * row does not depend on the others. Frees every tensor that it creates.
 * @param examples where the mask is 0, only the encoder reads x
 */
export function findLikeliestCodes(model: Model, examples: Examples): LikeliestCodes {
  const [decay, squareDecay] = [0.8, 0.95];
  const codes = scoped(() => model.encode(examples).dataSync<'float32'>().slice());
  const rows = examples.x.shape[0];
  const dim = codes.length / rows;
  const best: LikeliestCodes = { codes: codes.slice(), costs: new Float32Array(rows).fill(Infinity) };
  const [momentum, square] = [new Float64Array(codes.length), new Float64Array(codes.length)];
  for (let step = 1; step <= steps + 1; step++) {
    const { costs, gradient } = costAndGradient(model, codes, examples);
    for (let row = 0; row < rows; row++) {
      if (!(costs[row]! < best.costs[row]!)) continue;
      best.costs[row] = costs[row]!;
      best.codes.set(codes.subarray(row * dim, (row + 1) * dim), row * dim);
    }
    const size = firstStep * 0.5 * (1 + Math.cos((Math.PI * (step - 1)) / steps));
    for (let i = 0; i < codes.length; i++) {
      momentum[i] = decay * momentum[i]! + (1 - decay) * gradient[i]!;
      square[i] = squareDecay * square[i]! + (1 - squareDecay) * gradient[i]! ** 2;
      const mean = momentum[i]! / (1 - decay ** step);
      const deviation = Math.sqrt(square[i]! / (1 - squareDecay ** step));
      codes[i]! -= (size * mean) / (deviation + 1e-8);
    }
  }
  return best;
}

/** −log p(x_seen, z|c) of each row, and its derivative with respect to z. */
function costAndGradient(
  model: Model,
  codes: Float32Array,
  examples: Examples,
): { costs: Float32Array; gradient: Float32Array } {
  return scoped(() => {
    const rows = examples.x.shape[0];
    const cost = (code: tf.Tensor): tf.Tensor => {
      const { deviance, negativeLogPrior } = model.negativeLogJoint(code as tf.Tensor2D, examples);
      return deviance.sum(1).add(negativeLogPrior.sum(1));
    };
    // The gradient of the sum over rows contains the gradient of each row, as each code occurs in one term.
    const { value, grad } = tf.valueAndGrad(cost)(
      tf.tensor2d(codes, [rows, codes.length / rows]),
      tf.ones([rows]),
    );
    return {
      costs: value.dataSync<'float32'>().slice(),
      gradient: grad.dataSync<'float32'>().slice(),
    };
  });
}
