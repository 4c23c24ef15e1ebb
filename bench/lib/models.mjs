/** The two models of the bench, with weights at random. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);

/** M1: windows of sensors, 32 records of 8 channels given 8 numbers, a code of 16. M2: images of 28 × 28 given 10, a code of 20. */
function specOf(name) {
  const { probeSpec } = dist('scoring/probe');
  if (name === 'M1') return probeSpec;
  return {
    ...probeSpec,
    hidden: [400, 200],
    likelihood: 'bernoulli',
    latentDim: 20,
    length: 784,
    channels: 1,
    conditionDim: 10,
  };
}

export function createBenchModel(name) {
  const { createModel } = dist('models/zoo');
  const { createRandom, tf } = dist('tensor');
  const { untrainedState } = dist('scoring/probe');
  const { createChannelMap } = dist('scoring/contributions');
  const { createWindowEncoder } = dist('scoring/encode');
  const { createScaler } = dist('domain/scaler');
  const { createCategoryTable, createConditionEncoder } = dist('domain/condition');
  const spec = specOf(name);
  const state = untrainedState(spec);
  const model = createModel(spec, createRandom(1));
  const random = createRandom(8);
  for (const variable of model.weights.values()) {
    const moved = variable.dataSync().map((value) => value + 0.05 * random.normal());
    tf.tidy(() => variable.assign(tf.tensor(moved, variable.shape)));
  }
  const encoder = createWindowEncoder(
    { length: spec.length, channels: spec.channels, conditions: 1 },
    createScaler(state.scaler),
    createConditionEncoder(state.conditions, createCategoryTable()),
  );
  return { spec, state, model, encoder, channelMap: createChannelMap(state) };
}
