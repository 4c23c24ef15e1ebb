/** The model version that a suite has trained, as contenders in other languages need it. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const dist = (name) => require(`../../dist/${name}`);

/** The current version in a store. Needs tfjs to have been started. */
export async function readVersion(directory, detector) {
  const { createModelStore } = dist('store/model-store');
  const { decodeModel } = dist('scoring/bundle');
  const store = createModelStore({ directory, detector });
  const version = await store.current();
  const { files } = await store.read(version);
  return { files, ...decodeModel(version, files) };
}

/** Weights by the names that they have here, as safetensors. */
export function writeWeights(model, path) {
  const { encodeSafetensors } = dist('tensor');
  const tensors = [...model.weights].map(([name, variable]) => [
    name,
    { dtype: 'F32', shape: variable.shape, data: variable.dataSync().slice() },
  ]);
  writeFileSync(path, encodeSafetensors(new Map(tensors)));
}

/** From which reconstruction on a record is anomalous at a false-alarm target, if its mean over the newest records is as large. */
export function thresholdOf({ calibration }, target) {
  const { createSurpriseScale } = dist('calibration/surprise');
  const { surpriseOf } = dist('calibration/threshold');
  const scale = createSurpriseScale(calibration);
  const surpriseAt = (value) => {
    const statistics = scale.names.map(() => value);
    return scale.surpriseOf({ statistics, slow: 0, sections: 0, runs: 0, group: undefined }, () => 0)
      .surprise;
  };
  let [low, high] = [0, 1e6];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (surpriseAt(middle) >= surpriseOf(target)) high = middle;
    else low = middle;
  }
  return high;
}
