/**
 * Adversarial autoencoder (Makhzani 2015): z = e(x), and a discriminator D that tells drawn codes from encoded ones
 * shapes the codes after any prior p(z). A step has three phases:
 *   reconstruction   encoder, decoder:  −log p(x|e(x))
 *   discriminator    D:                 −log D(z') − log( 1 − D(e(x)) ),  z' ~ p(z)
 *   regularisation   encoder:           −log D(e(x))
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createLikelihood } from './likelihood';
import {
  assessmentOf,
  type Examples,
  type NegativeLogJoint,
  type Model,
  type ModelFamily,
  type ModelSpec,
} from './model';
import { createMlp, sideBySide } from './network';
import { createPrior } from './prior';

export function createAae(spec: ModelSpec, random: Random): Model {
  const { latentDim, conditionDim: givenDim, hidden } = spec;
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: latentDim, random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  const discriminator = createMlp({ name: 'discriminator', sizes: [latentDim, ...hidden, 1], random });
  const prior = createPrior(spec);

  const encode = ({ x, c }: Examples): tf.Tensor2D => encoder.apply(x, c);
  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(z, c)!);
  /** −log of the probability that D gives to the truth. Scalar. */
  const surpriseAtDrawn = (z: tf.Tensor2D): tf.Scalar => tf.mean(tf.softplus(tf.neg(discriminator.apply(z))));
  const surpriseAtEncoded = (z: tf.Tensor2D): tf.Scalar => tf.mean(tf.softplus(discriminator.apply(z)));

  const reconstruction = (examples: Examples): tf.Scalar =>
    tf.mean(tf.sum(likelihood.negativeLogLikelihood(examples, decode(encode(examples), examples.c)), 1));
  const discrimination = (examples: Examples, noise: Random): tf.Scalar => {
    const z = encode(examples);
    return tf.add(surpriseAtDrawn(prior.draw(z.shape[0], noise)), surpriseAtEncoded(z));
  };
  // The encoder wants its codes to be taken for drawn ones.
  const regularisation = (examples: Examples): tf.Scalar => surpriseAtDrawn(encode(examples));

  function negativeLogJoint(code: tf.Tensor2D, examples: Examples): NegativeLogJoint {
    const output = decode(code, examples.c);
    const negativeLogPrior = prior.negativeLogPrior(code);
    return {
      distortion: likelihood.negativeLogLikelihood(examples, output),
      deviance: likelihood.deviance(examples, output),
      negativeLogPrior,
      priorDeviance: tf.relu(
        tf.sub<tf.Tensor2D>(negativeLogPrior, tf.tensor1d([...prior.leastNegativeLogPrior])),
      ),
      expected: likelihood.mean(output),
    };
  }

  const variables = (...parts: { weights: Model['weights'] }[]): tf.Variable[] =>
    parts.flatMap(({ weights }) => [...weights.values()]);

  return {
    spec,
    weights: new Map([
      ...encoder.weights,
      ...decoder.weights,
      ...likelihood.weights,
      ...discriminator.weights,
    ]),
    statistics: ['reconstruction', 'latent'],
    latentDims: [latentDim],
    warmUpSteps: 0,
    phases: [
      {
        name: 'reconstruction',
        variables: variables(encoder, decoder, likelihood),
        loss: reconstruction,
      },
      { name: 'discriminator', variables: variables(discriminator), loss: discrimination },
      { name: 'regularisation', variables: variables(encoder), loss: regularisation },
    ],
    validationLoss(examples) {
      const distortion = reconstruction(examples);
      const rate: tf.Scalar = tf.mean(tf.sum(prior.negativeLogPrior(encode(examples)), 1));
      return { loss: tf.add(distortion, rate), distortion, rate };
    },
    assess: (examples) => assessmentOf(negativeLogJoint(encode(examples), examples)),
    negativeLogJoint,
    activity(examples) {
      const z = encode(examples);
      return [tf.mean(tf.square(tf.sub(z, tf.mean(z, 0))), 0)];
    },
    encode,
    generate: (count, c, noise, temperature) =>
      likelihood.mean(decode(prior.draw(count, noise, temperature), c)),
  };
}

export const aae: ModelFamily = { create: createAae, options: ['latentDim', 'prior', 'mixtureModes'] };
