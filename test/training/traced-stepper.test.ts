import { disposeModel, writeWeights } from '../../src/models/model';
import { openSession } from '../../src/onnx/session';
import { createRandom, tf } from '../../src/tensor';
import { createTracedStepper } from '../../src/training/traced-stepper';
import { openTestBackend } from '../backend';
import { createCase, examplesOf } from './stepper-comparison';

beforeAll(async () => {
  await openTestBackend('wasm');
});

test('a step that is not finite is skipped and changes nothing, and no tensor leaks', async () => {
  const { model, encoder } = createCase({ kind: 'cvae' });
  const before = tf.memory().numTensors;
  const parts = { model, phases: model.phases, layout: encoder, learningRate: 1e-2 };
  const stepper = await createTracedStepper(parts, openSession);
  const random = createRandom(3);
  await stepper.step(examplesOf(encoder, 8, 1), random, 0);
  const weights = stepper.weights();
  const broken = examplesOf(encoder, 8, 2);
  broken.buffers.x[3] = NaN;
  const [result] = await stepper.step(broken, random, 1);
  expect(result!.skipped).toBe(true);
  expect(stepper.weights()).toEqual(weights);
  await stepper.step(examplesOf(encoder, 8, 3), random, 2);
  expect(stepper.weights()).not.toEqual(weights);
  // What it has arrived at is what the model takes over.
  writeWeights(model, stepper.weights());
  stepper.reset();
  expect(stepper.weights()).toEqual(
    new Map([...model.weights].map(([name, variable]) => [name, variable.dataSync()])),
  );
  expect(tf.memory().numTensors).toBe(before);
  stepper.dispose();
  disposeModel(model);
});
