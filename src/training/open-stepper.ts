/**
 * Chooses the engine that trains: traced steps, if they are available and agree with tfjs; otherwise tfjs, with the reason.
 */
import { readWeights, writeWeights } from '../models/model';
import type { OpenSession } from '../onnx/session';
import { UntranslatableError } from '../onnx/operators';
import { createExampleArrays } from '../scoring/encode';
import { createRandom } from '../tensor';
import { createTfjsStepper, type Stepper, type StepperParts } from './stepper';
import { createTracedStepper } from './traced-stepper';

export interface ChosenStepper {
  stepper: Stepper;
  /** Reason why tfjs trains although an engine for graphs is available. */
  problem?: string;
}

/** Largest relative difference of loss and gradient norm between the two engines. */
const tolerance = 1e-3;

/** @param openSession opens graphs; undefined without an engine for graphs */
export async function openStepper(
  parts: StepperParts,
  openSession: OpenSession | undefined,
): Promise<ChosenStepper> {
  if (openSession === undefined) return { stepper: createTfjsStepper(parts) };
  try {
    const stepper = await createTracedStepper(parts, openSession);
    const problem = await compare(parts, stepper);
    if (problem === undefined) return { stepper };
    stepper.dispose();
    return { stepper: createTfjsStepper(parts), problem };
  } catch (error) {
    if (!(error instanceof UntranslatableError)) throw error;
    return { stepper: createTfjsStepper(parts), problem: error.message };
  }
}

/** Compares one step of both engines on random windows. Restores model and stepper. */
async function compare(parts: StepperParts, traced: Stepper): Promise<string | undefined> {
  const { model, phases, layout } = parts;
  const count = 8;
  const buffers = createExampleArrays(layout, count);
  const random = createRandom(1);
  for (let i = 0; i < buffers.x.length; i++) buffers.x[i] = random.uniform();
  const before = readWeights(model);
  const tfjs = createTfjsStepper(parts);
  try {
    const expected = await tfjs.step({ buffers, count }, createRandom(2), 0);
    const actual = await traced.step({ buffers, count }, createRandom(2), 0);
    for (const [i, { name }] of phases.entries()) {
      for (const what of ['loss', 'norm'] as const) {
        const [is, should] = [actual[i]![what], expected[i]![what]];
        if (!(Math.abs(is - should) <= tolerance * Math.max(1, Math.abs(should))))
          return `a traced step of the phase ${name} has ${what} ${is}, and tfjs ${should}`;
      }
    }
    return undefined;
  } finally {
    tfjs.dispose();
    writeWeights(model, before);
    traced.reset();
  }
}
