/**
 * Adversarial autoencoder (Makhzani 2015): z = e(x). A discriminator D, which distinguishes drawn codes from encoded ones,
 * shapes the codes after any prior p(z). A step has three phases:
 *   reconstruction   encoder, decoder:  −log p(x|e(x))
 *   discriminator    D:                 −log D(z') − log( 1 − D(e(x)) ),  z' ~ p(z)
 *   regularisation   encoder:           −log D(e(x))
 */
import { tf, type Random } from '../tensor';
import { createDecoder, createEncoder } from './coder';
import { createLatentModel } from './latent-model';
import { createLikelihood } from './likelihood';
import type { Examples, Model, ModelFamily, SpecWith } from './model';
import { createMlp, sideBySide, type Network } from './network';
import { latentDimRule } from './options';
import { createPrior, priorOptions as options, priorRule } from './prior';

export function createAae(spec: SpecWith<typeof options>, random: Random): Model {
  const { latentDim, conditionDim: givenDim, hidden } = spec;
  const encoder = createEncoder(spec, { name: 'encoder', givenDim, outputs: latentDim, random });
  const decoder = createDecoder(spec, { name: 'decoder', inputs: latentDim + givenDim, random });
  const likelihood = createLikelihood(spec, random);
  const discriminator = createMlp({ name: 'discriminator', sizes: [latentDim, ...hidden, 1], random });
  const prior = createPrior(spec);

  const encode = ({ x, c }: Examples): tf.Tensor2D => encoder.apply(x, c);
  const decode = (z: tf.Tensor2D, c: tf.Tensor2D | undefined): tf.Tensor2D =>
    decoder.apply(sideBySide(z, c)!);

  // D(z) = sigmoid(logit), so that −log D(z) = softplus(−logit) and −log(1 − D(z)) = softplus(logit).
  const negativeLogD = (z: tf.Tensor2D): tf.Scalar => discriminator.apply(z).neg().softplus().mean();
  const negativeLogNotD = (z: tf.Tensor2D): tf.Scalar => discriminator.apply(z).softplus().mean();

  const reconstruction = (examples: Examples): tf.Scalar =>
    likelihood
      .negativeLogLikelihood(examples, decode(encode(examples), examples.c))
      .sum(1)
      .mean();
  const discrimination = (examples: Examples, noise: Random): tf.Scalar => {
    const z = encode(examples); // [batch, latentDim]
    const drawn = prior.draw(z.shape[0], noise); // [batch, latentDim]
    return negativeLogD(drawn).add(negativeLogNotD(z));
  };
  const regularisation = (examples: Examples): tf.Scalar => negativeLogD(encode(examples));

  const variablesOf = (...parts: Pick<Network, 'weights'>[]): tf.Variable[] =>
    parts.flatMap(({ weights }) => [...weights.values()]);

  return {
    ...createLatentModel({
      spec,
      networks: [encoder, decoder, likelihood, discriminator],
      latentDims: [latentDim],
      likelihood,
      encode,
      decode,
      priorTerms(z) {
        const negativeLogPrior = prior.negativeLogPrior(z);
        const least = tf.tensor1d([...prior.leastNegativeLogPrior]);
        return { negativeLogPrior, priorDeviance: negativeLogPrior.sub(least).relu() };
      },
      drawCodes: (count, _, noise, temperature) => prior.draw(count, noise, temperature),
    }),
    warmUpSteps: 0,
    phases: [
      {
        name: 'reconstruction',
        variables: variablesOf(encoder, decoder, likelihood),
        loss: reconstruction,
      },
      { name: 'discriminator', variables: variablesOf(discriminator), loss: discrimination },
      { name: 'regularisation', variables: variablesOf(encoder), loss: regularisation },
    ],
    validationLoss(examples) {
      const distortion = reconstruction(examples);
      const rate = prior.negativeLogPrior(encode(examples)).sum(1).mean();
      return { loss: distortion.add(rate), distortion, rate };
    },
    // The code has no density, so its variance is reported instead of the rate (Burda 2016).
    activity(examples) {
      const z = encode(examples);
      return [z.sub(z.mean(0)).square().mean(0)];
    },
  };
}

export const aae: ModelFamily<typeof options> = {
  options,
  rules: [latentDimRule, priorRule],
  create: createAae,
};
