/**
 * The variance of p(x|z), fitted once more after training, on records that were not trained on. What a model has fitted it
 * explains better than what comes later, and how much better differs from channel to channel: a slow temperature that the
 * training block hardly moved in would be taken to be known to a hair. With everything else held, the likelihood of the
 * held-out records is maximal where the variance is that of the errors on them.
 */
import { trainStep, type Examples, type Model } from '../models/model';
import { tf, type Random } from '../tensor';

const steps = 60;
const learningRate = 0.1;

/**
 * Changes the weights of the likelihood alone; a model without any (Bernoulli) stays as it is.
 * @param examples held-out windows; the caller disposes them
 */
export function fitHeldOutVariance(model: Model, examples: Examples, random: Random): void {
  const variables = [...model.weights].filter(([name]) => name.startsWith('likelihood/')).map(([, v]) => v);
  if (variables.length === 0) return;
  const optimizer = tf.train.adam(learningRate);
  const phase = { name: 'variance', variables, loss: () => model.validationLoss(examples).loss };
  try {
    for (let step = 0; step < steps; step++) trainStep(phase, optimizer, examples, random, step);
  } finally {
    optimizer.dispose();
  }
}
