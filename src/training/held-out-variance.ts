/**
 * The variance of p(x|z), fitted again on held-out records after training. A model explains its training records better than
 * later ones, to a degree that differs between channels: a slow temperature that hardly changed during training would get a
 * variance that is far too small. With all other weights fixed, the likelihood of the held-out records is largest if the
 * variance is that of the errors on them.
 */
import { writeWeights, type Phase } from '../models/model';
import type { OpenSession } from '../onnx/session';
import type { Random } from '../tensor';
import { openStepper } from './open-stepper';
import type { Encoded, StepperParts } from './stepper';

const steps = 60;
const learningRate = 0.1;

/**
 * Changes only the weights of the likelihood; a likelihood without weights (Bernoulli) is unchanged.
 * @param windows held-out windows
 */
export async function fitHeldOutVariance(
  {
    model,
    layout,
    openSession,
  }: Pick<StepperParts, 'model' | 'layout'> & {
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
  const { stepper } = await openStepper({ model, phases: [phase], layout, learningRate }, openSession);
  try {
    for (let step = 0; step < steps; step++) await stepper.step(windows, random, step);
    writeWeights(model, stepper.weights());
  } finally {
    stepper.dispose();
  }
}
