/**
 * The variance of p(x|z), fitted once more after training, on records that were not trained on. What a model has fitted it
 * explains better than what comes later, and how much better differs from channel to channel: a slow temperature that the
 * training block hardly moved in would be taken to be known to a hair. With everything else held, the likelihood of the
 * held-out records is maximal where the variance is that of the errors on them.
 */
import { writeWeights, type Phase } from '../models/model';
import type { OpenSession } from '../onnx/session';
import type { Random } from '../tensor';
import { openStepper } from './open-stepper';
import type { Encoded, StepperParts } from './stepper';

const steps = 60;
const learningRate = 0.1;

/**
 * Changes the weights of the likelihood alone; a model without any (Bernoulli) stays as it is.
 * @param windows that were held out
 */
export async function fitHeldOutVariance(
  {
    model,
    encoder,
    openSession,
  }: Pick<StepperParts, 'model' | 'encoder'> & {
    openSession: OpenSession | undefined;
  },
  windows: Encoded,
  random: Random,
): Promise<void> {
  const variables = [...model.weights].filter(([name]) => name.startsWith('likelihood/')).map(([, v]) => v);
  if (variables.length === 0) return;
  const phase: Phase = {
    name: 'variance',
    variables,
    loss: (examples) => model.validationLoss(examples).loss,
  };
  const { stepper } = await openStepper({ model, phases: [phase], encoder, learningRate }, openSession);
  try {
    for (let step = 0; step < steps; step++) await stepper.step(windows, random, step);
    writeWeights(model, stepper.weights());
  } finally {
    stepper.dispose();
  }
}
