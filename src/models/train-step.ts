/** One training step of one phase: the loss and its gradients in tfjs, and the update of Adam. */
import { scoped, tf, type Random } from '../tensor';
import { Adam, type StepResult } from './adam';
import type { Examples, Phase } from './model';

/**
 * The loss of a phase, and its gradients in the order of the phase's variables. It is traced for other engines.
 * @param step steps of the phase taken before
 */
export function lossAndGradients(
  phase: Phase,
  { examples, random, step }: { examples: Examples; random: Random; step: tf.Scalar },
): { loss: tf.Scalar; gradients: readonly tf.Tensor[] } {
  const { value, grads } = tf.variableGrads(
    () => phase.loss(examples, random, step),
    phase.variables as tf.Variable[],
  );
  return { loss: value, gradients: phase.variables.map(({ name }) => grads[name]!) };
}

export function createOptimizer({ variables }: Pick<Phase, 'variables'>, learningRate: number): Adam {
  return new Adam(
    variables.map(({ size }) => size),
    learningRate,
  );
}

/**
 * One step with tfjs. Skips a step whose loss or gradient is not finite.
 * @param step steps of this phase taken before
 */
export function trainStep(
  phase: Phase,
  optimizer: Adam,
  examples: Examples,
  random: Random,
  step: number,
): StepResult {
  return scoped(() => {
    const { loss, gradients } = lossAndGradients(phase, { examples, random, step: tf.scalar(step) });
    const valuesOf = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
    // A backend may return its own memory.
    const weights = phase.variables.map((variable) => valuesOf(variable).slice());
    const result = optimizer.step(valuesOf(loss)[0]!, weights, gradients.map(valuesOf));
    if (!result.skipped)
      phase.variables.forEach((variable, i) => variable.assign(tf.tensor(weights[i]!, variable.shape)));
    return result;
  });
}
